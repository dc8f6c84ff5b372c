"""Card numbers on every path through the real services, well and badly sent; and then no trace of them anywhere.

The services log at DEBUG and PostgreSQL logs every statement with its values, so what is not there was never said.
"""

import base64
import json
import socket
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from tests.support.http_merchant import LOGIN, create_endpoint
from tests.support.leaks import Secret, dump_files, dump_redis, dump_tables, find, pattern
from tests.support.patience import wait_until
from tests.support.payment_rows import Rows
from tests.support.receiver import Receiver
from tests.support.stack import LiveStack

STACK_ENVIRONMENT = {
    "LOG_LEVEL": "DEBUG",
    "LOG_FORMAT": "json",
    "PROCESSING_DELAY_MIN_MS": "50",
    "PROCESSING_DELAY_MAX_MS": "100",
    "JOB_TIMEOUT_SECONDS": "4",
}
SUCCESS = Secret("5555555555554444", "731", "Holder Success")
AMEX = Secret("378282246310005", "7319", "Holder Amex")
DECLINED = Secret("4000000000000002", "732", "Holder Declined")
SILENT = Secret("4000000000000119", "733", "Holder Silent")
MISTYPED = Secret("4242424242424241", "734", "Holder Mistyped")
MISPLACED = Secret("4012888888881881", "735", "Holder Misplaced")
OUTAGE = Secret("6011111111111117", "736", "Holder Outage")
CARDS = (SUCCESS, AMEX, DECLINED, SILENT, MISTYPED, MISPLACED, OUTAGE)
LEAK = pattern(CARDS)


@pytest.fixture
def answers() -> dict[str, bytes]:
    """All that the API answered, headers and all."""
    return {}


@pytest.fixture
def customer(stack: LiveStack, answers: dict[str, bytes]) -> Iterator[httpx.Client]:
    """The merchant's server, whose every answer is kept."""
    numbers = count(1)

    def keep(response: httpx.Response) -> None:
        headers = b"\n".join(b"%s: %s" % header for header in response.headers.raw)
        request = response.request
        answers[f"answer {next(numbers)} {request.method} {response.status_code}"] = headers + response.read()

    hooks = {"response": [keep]}
    url = f"{stack.api_url}/api/v1"
    with httpx.Client(base_url=url, headers=LOGIN, timeout=15, trust_env=False, event_hooks=hooks) as client:
        yield client


def card(secret: Secret, **changes: Any) -> dict[str, Any]:
    shown = {"number": secret.number, "cvc": secret.cvc, "name": secret.holder, "exp_month": 12, "exp_year": 2040}
    return shown | changes


def payment(secret: Secret, **changes: Any) -> dict[str, Any]:
    return {"amount": 50_000, "currency": "INR", "method": "card", "card": card(secret)} | changes


def log_every_statement(stack: LiveStack, *, with_values: bool) -> None:
    most = "-1" if with_values else "0"
    with psycopg.connect(stack.owner_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        for name in ("log_parameter_max_length", "log_parameter_max_length_on_error"):
            connection.execute(f"ALTER SYSTEM SET {name} = '{most}'")
        connection.execute("SELECT pg_reload_conf()")


def send_bodies_that_are_refused(customer: httpx.Client) -> set[int]:
    """Every way to get a card payment wrong that an error could repeat; the statuses it was answered with."""
    whole, number = payment(MISPLACED), MISPLACED.number
    text = json.dumps(whole)
    bodies: list[dict[str, Any]] = [
        payment(MISTYPED),
        payment(MISPLACED, card=card(MISPLACED, number=int(number))),
        payment(MISPLACED, card=card(MISPLACED, number=f"{number[:4]} {number[4:]}")),
        payment(MISPLACED, card=card(MISPLACED, number=[number])),
        payment(MISPLACED, card=card(MISPLACED, cvc=int(MISPLACED.cvc))),
        payment(MISPLACED, card=card(MISPLACED, cvc="73516")),
        payment(MISPLACED, card=card(MISPLACED, exp_year=2001)),
        payment(MISPLACED, card=card(MISPLACED, exp_month=13)),
        payment(MISPLACED, card=card(MISPLACED, pan=number)),
        payment(MISPLACED, card=card(MISPLACED, **{number: MISPLACED.cvc})),
        payment(MISPLACED, **{number: 1}),
        payment(MISPLACED, card=number),
        payment(MISPLACED, card=[card(MISPLACED)]),
        payment(MISPLACED, method=number),
        payment(MISPLACED, method="upi"),
        payment(MISPLACED, method="upi", vpa=number),
        payment(MISPLACED, method="netbanking", bank=f"bank {number}"),
        payment(MISPLACED, currency=number),
        payment(MISPLACED, amount=number),
        payment(MISPLACED, amount=int(number)),
        payment(MISPLACED, metadata={number: "1"}),
        payment(MISPLACED, metadata={f"n{number}": 1}),
        payment(MISPLACED, order_id=f"order {number}"),
    ]
    sent = [customer.post("/payments", json=body) for body in bodies]
    raw = [
        (text[: len(text) // 2], "application/json"),
        (text + "}", "application/json"),
        (text, "text/plain"),
        (f"card[number]={number}&card[cvc]={MISPLACED.cvc}", "application/x-www-form-urlencoded"),
        (text.replace("50000", "1" * 5000), "application/json"),
        (text.replace(MISPLACED.holder, "x" * 100_000), "application/json"),
        (f'{{"number": "{number}", {text[1:]}'.replace(f'"{number}", "cvc"', f'"{number}", "number": 1, "cvc"'),
         "application/json"),
        (json.dumps([number]), "application/json"),
        (json.dumps(number), "application/json"),
    ]  # fmt: skip
    sent += [customer.post("/payments", content=body, headers={"content-type": kind}) for body, kind in raw]
    sent += [
        customer.post("/payments", json=whole, headers={"X-Api-Secret": "wrong"}),
        customer.post("/payments", json=whole, headers={"Idempotency-Key": "short"}),
        customer.post("/checkout/payments", json=whole),
        customer.post("/orders", json=whole),
        customer.put("/payments", json=whole),
    ]
    return {response.status_code for response in sent}


def send_to_wrong_addresses(customer: httpx.Client) -> set[int]:
    """Card numbers in paths and queries. What names an object is looked up, so it is a value of a query."""
    number = MISPLACED.number
    sent = [
        customer.get(f"/payments/{number}"),
        customer.get(f"/cards/{number}/{MISPLACED.cvc}"),
        customer.post(f"/payments/{number}/capture", json={"amount": number}),
        customer.get("/payments", params={"card": number, "method": "card"}),
        customer.get("/payments", params={"starting_after": number}),
        customer.get("/payments", params={"limit": number}),
        customer.get("/payments", params={"created_from": number}),
    ]
    return {response.status_code for response in sent}


def send_and_hang_up(stack: LiveStack) -> None:
    """A body that is cut off in the middle of a card, and one that is no HTTP at all."""
    place = urlsplit(stack.api_url)
    body = json.dumps(payment(MISPLACED)).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in LOGIN.items())
    start = f"POST /api/v1/payments HTTP/1.1\r\nHost: api\r\n{head}Content-Type: application/json\r\n"
    for content in (
        start.encode() + b"Content-Length: 9000\r\n\r\n" + body,
        body,
        b"GET /" + body + b" HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection((place.hostname, place.port), timeout=5) as connection:
            connection.sendall(content)


def test_no_card_number_is_left_anywhere(
    stack: LiveStack, customer: httpx.Client, answers: dict[str, bytes], rows: Rows, receiver: Receiver
) -> None:
    log_every_statement(stack, with_values=True)
    create_endpoint(customer, receiver.url + "/hook")

    silent = customer.post("/payments", json=payment(SILENT)).json()["id"]
    wait_until(lambda: rows.count("status = 'processing'", [silent]) == 1, "the silent card is with the provider")
    assert rows.read("SELECT count(*) FROM payment_cards") == [(1,)]
    assert find(LEAK, dump_tables(stack.owner_url)) == []

    key = {"Idempotency-Key": "the-card-of-amex"}
    for _ in range(2):
        amex = customer.post("/payments", json=payment(AMEX, capture_method="automatic"), headers=key)
    reused = customer.post("/payments", json=payment(AMEX, amount=1), headers=key)
    assert (amex.headers["idempotent-replayed"], reused.status_code) == ("true", 422)
    paid = [customer.post("/payments", json=payment(secret)).json()["id"] for secret in (SUCCESS, DECLINED)]
    assert send_bodies_that_are_refused(customer) == {400, 401, 405, 413, 415, 422}
    send_and_hang_up(stack)
    log_every_statement(stack, with_values=False)
    assert send_to_wrong_addresses(customer) == {404, 422}
    log_every_statement(stack, with_values=True)

    stack.stop("redis")
    paid.append(customer.post("/payments", json=payment(OUTAGE)).json()["id"])
    stack.start("redis")
    stack.stop("postgres")
    assert customer.post("/payments", json=payment(OUTAGE)).status_code == 503
    stack.start("postgres")

    ended = [silent, amex.json()["id"], *paid]
    rows.wait_for_count("status IN ('success', 'failed')", ended, timeout_seconds=60)
    for payment_id in ended:
        for path in ("", "/timeline", "/refunds"):
            customer.get(f"/payments/{payment_id}{path}")
    for path in ("/payments", "/events?limit=100", "/webhook-deliveries?limit=100", "/idempotency/the-card-of-amex"):
        customer.get(path)
    assert rows.read("SELECT count(*) FROM payment_cards") == [(0,)]
    wait_until(lambda: len(receiver.at("/hook")) >= 2 * len(ended), "webhooks were delivered")

    places = answers | dump_tables(stack.owner_url) | dump_redis(stack.redis_url)
    places |= {f"webhook {number}": hook.body for number, hook in enumerate(receiver.at("/hook"))}
    places |= {url: httpx.get(url, trust_env=False).content for url in stack.metrics_urls}
    places |= {"log": stack.log().encode()}
    assert find(LEAK, places) == []
    files = dump_files(stack.data_folder)
    assert find(LEAK, files) == []
    assert_was_looked_at(places | files)


def assert_was_looked_at(places: dict[str, bytes]) -> None:
    """The search would have found it: what may be kept of these payments is found in each kind of place."""
    log = places["log"].decode()
    assert '"route":"/api/v1/payments/{payment_id}"' in log
    assert '"route":"none"' in log
    assert "INSERT INTO payments" in log, "PostgreSQL did not log its statements"
    assert r"\"last4\":\"4444\"" in log, "or their values"
    assert b'"last4": "4444"' in places["table payments"]
    assert any(b"idempotency_keys" in content for place, content in places.items() if place.startswith("file postgres"))
    assert any(place.startswith("key b'gateway:payments") for place in places)
    assert any(place.startswith("webhook ") and b'"last4":"4444"' in content for place, content in places.items())
    assert any(b"gateway_http_requests_total" in content for place, content in places.items() if "metrics" in place)


def test_the_search_knows_every_guise() -> None:
    """So that a search that finds nothing says something."""
    number = SUCCESS.number.encode()
    guises = [
        b'{"number":"' + number + b'"}',
        b"5555 5555 5555 4444",
        b"\\x" + number.hex().encode(),
        b"\\x7B" + number.hex().upper().encode(),
        b"%35%35%35%35%35%35%35%35%35%35%35%35%34%34%34%34",
        b'"cvc":"731"',
        b"CVC=731&",
        b"Holder Success",
    ]
    guises += [base64_of(b'{"a":"' + b"x" * shift + number + b'","b":1}') for shift in range(3)]
    assert [guise for guise in guises if not LEAK.search(guise)] == []
    assert LEAK.search(b'"last4":"4444","exp_year":2040,"cvc_check":null,731') is None


def base64_of(content: bytes) -> bytes:
    return base64.b64encode(content)

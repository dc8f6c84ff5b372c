"""The API as a process: what it writes to its log, what a socket can do to it, and how it ends."""

import asyncio
import base64
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from tests.support.api import KEYS, NEW_PAYMENT, Api, expect, expect_error
from tests.support.api_process import ApiProcess, running_api_process
from tests.support.databases import cloned_database
from tests.support.patience import wait_until as wait_until_true
from tests.support.waiting import wait_until

from gateway_cli.local.ports import find_free_ports
from gateway_common.merchants.seed import TEST_KEY, TEST_SECRET
from gateway_common.serving import http_server, serve

PAYMENTS = "/api/v1/payments"
# Words that stand for what no log may hold: each is sent, or given back, exactly as it stands here.
VPA = "very.private@upi"
DESCRIPTION = "a-private-description"
WRONG_SECRET = "a-wrong-secret"
ANY_KEY = {"X-Api-Key": TEST_KEY}
GARBAGE = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /nothing?\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /nothing HTTP/1.1\r\nHost: [\r\n\r\n",
    b"GET /nothing HTTP/1.1\r\nHost: x\r\nX-Api-Key: \x00\r\n\r\n",
    b"GET /nothing HTTP/1.1\r\nHost: x\r\nX-Api-Key: " + b"\xff" * 200 + b"\r\n\r\n",
    b"GET /nothing HTTP/1.1\r\nHost: x\r\nnot a header\r\n\r\n",
    b"GET /nothing HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n",
    b"GET http://[::1/nothing HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET //evil.example/nothing HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /api/v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: \xb2\r\n\r\n",
    b"POST /api/v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 400 + b"\r\n\r\n",
    b"POST /api/v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /api/v1/payments HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    b"POST /api/v1/payments HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /api/v1/payments HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n",
    b"GET /nothing HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.fixture(scope="module")
def process(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, redis_server_url: str, master_key: str
) -> Iterator[ApiProcess]:
    """A process that all tests share that neither break nor end it."""
    folder = tmp_path_factory.mktemp("api")
    with (
        cloned_database(postgres_url) as url,
        running_api_process(folder, **addresses(url, redis_server_url, master_key)) as running,
    ):
        yield running


@pytest.fixture
def own_process(tmp_path: Path, database_url: str, redis_url: str, master_key: str) -> Iterator[ApiProcess]:
    with running_api_process(tmp_path, **addresses(database_url, redis_url, master_key)) as running:
        yield running


def addresses(database_url: str, redis_url: str, master_key: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "GATEWAY_MASTER_KEY": master_key,
        "TEST_MODE": "true",
    }


def log_lines(process: ApiProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in process.output.splitlines()]


def break_payments(owner_url: str) -> None:
    """Make PostgreSQL refuse every new payment, as a bug of ours would."""
    with psycopg.connect(owner_url) as connection:
        connection.execute("ALTER TABLE payments ADD CONSTRAINT broken CHECK (amount_minor = 7) NOT VALID")


def act_with_secrets(process: ApiProcess) -> list[str]:
    """Do what a merchant and a browser do, well and badly; the secrets that came back."""
    pair = base64.b64encode(f"{TEST_KEY}:{TEST_SECRET}".encode()).decode()
    private = NEW_PAYMENT | {"vpa": VPA, "description": DESCRIPTION, "metadata": {"note": DESCRIPTION}}
    with httpx.Client(base_url=process.url) as client:
        expect(201, client.post(PAYMENTS, json=private, headers=KEYS | {"Idempotency-Key": "a-key-of-mine"}))
        expect(200, client.get(PAYMENTS, headers={"Authorization": f"Basic {pair}"}))
        client.post(PAYMENTS, json=private | {"vpa": f"{VPA}@@"}, headers=KEYS)
        client.post(PAYMENTS, content=f'{{"vpa": "{VPA}"', headers=KEYS | {"Content-Type": "application/json"})
        client.get(PAYMENTS, headers=ANY_KEY | {"X-Api-Secret": WRONG_SECRET})
        client.get(f"{PAYMENTS}?note={DESCRIPTION}", headers=KEYS)
        endpoint = client.post("/api/v1/webhook-endpoints", json={"url": "https://shop.example"}, headers=KEYS)
        wish = {"order_id": "ord_1", "method": "upi", "vpa": VPA}
        paid = expect(201, client.post("/api/v1/checkout/payments", json=wish, headers=ANY_KEY))
        token = {"X-Client-Token": paid["client_token"]}
        expect(200, client.get(f"/api/v1/checkout/payments/{paid['payment']['id']}", headers=ANY_KEY | token))
        return [expect(201, endpoint)["secret"], paid["client_token"], pair]


def test_no_log_line_holds_a_secret_or_what_a_customer_typed(
    own_process: ApiProcess, owner_url: str, master_key: str
) -> None:
    process = own_process
    secrets = act_with_secrets(process)
    break_payments(owner_url)
    private = NEW_PAYMENT | {"vpa": VPA, "description": DESCRIPTION}
    broken = httpx.post(f"{process.url}{PAYMENTS}", json=private, headers=KEYS)

    message = expect_error(500, "internal_error", broken)
    assert process.stop() == 0
    assert message == "Something broke on our side. It is logged under this request id."
    assert broken.headers["x-request-id"] in process.output
    assert "broken" in process.output
    events = [line["event"] for line in log_lines(process)]
    assert (events[0], events[-1]) == ("api.started", "api.stopped")
    for secret in [*secrets, VPA, DESCRIPTION, WRONG_SECRET, TEST_SECRET, master_key, "whsec_"]:
        assert secret not in process.output


def test_each_request_is_one_line_of_json_that_can_be_found_by_its_id(process: ApiProcess) -> None:
    response = httpx.post(
        f"{process.url}{PAYMENTS}",
        json=NEW_PAYMENT,
        headers=KEYS
        | {"X-Request-Id": "my-id", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    )

    assert response.headers["x-request-id"] == "my-id"
    wait_until_true(lambda: "my-id" in process.output, "the line is written")
    (line,) = [line for line in log_lines(process) if line.get("request_id") == "my-id"]
    assert (
        line.items()
        >= {
            "event": "http.request",
            "level": "info",
            "service": "api",
            "method": "POST",
            "route": PAYMENTS,
            "status": 201,
            "merchant_id": "mer_test",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
        }.items()
    )
    assert line["milliseconds"] > 0


def talk(port: int, sent: bytes) -> bytes:
    """Send bytes and read until the other side is done or says nothing for a moment."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(sent)
        connection.settimeout(0.3)
        try:
            while part := connection.recv(65_536):
                received += part
        except (TimeoutError, ConnectionResetError):
            pass
    return received


def test_no_bytes_on_the_socket_break_the_process(process: ApiProcess) -> None:
    for sent in GARBAGE:
        received = talk(process.port, sent)

        assert not received or received.startswith(b"HTTP/1."), sent
        assert b"HTTP/1.1 5" not in received, (sent, received)
    assert process.is_ready()
    assert "Traceback" not in process.output


@pytest.mark.parametrize(
    "endless",
    [
        b"GET /nothing/",
        b"GET /nothing HTTP/1.1\r\nHost: x\r\nX-Long: ",
        b"POST /api/v1/payments HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Long: ",
    ],
)
def test_a_head_without_an_end_is_cut_off(process: ApiProcess, endless: bytes) -> None:
    with socket.create_connection(("127.0.0.1", process.port), timeout=5) as connection:
        connection.sendall(endless)
        with pytest.raises(ConnectionError):  # noqa: PT012 -- what has to fail is one of many sends.
            for _ in range(200):
                connection.sendall(b"x" * 100_000)

    assert process.is_ready()


def test_a_head_that_is_too_long_is_told_so(process: ApiProcess) -> None:
    received = talk(process.port, b"GET /nothing HTTP/1.1\r\nHost: x\r\n" + b"X-Many: y\r\n" * 6_000)

    assert received.startswith(b"HTTP/1.1 431 ")


def test_many_requests_on_one_connection_are_no_long_head(process: ApiProcess) -> None:
    body = json.dumps(NEW_PAYMENT).encode().ljust(60_000)
    head = (
        f"POST {PAYMENTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )

    received = talk(process.port, (head.encode() + body) * 20)

    assert received.count(b"HTTP/1.1 401 ") == 20


def test_a_body_that_breaks_off_is_no_fault_of_ours(process: ApiProcess) -> None:
    with socket.create_connection(("127.0.0.1", process.port), timeout=5) as connection:
        head = f"POST {PAYMENTS} HTTP/1.1\r\nHost: x\r\nX-Request-Id: broken-off\r\nContent-Length: 100\r\n\r\n"
        connection.sendall(head.encode() + b'{"amount"')
    wait_until_true(lambda: "broken-off" in process.output, "the line is written")

    (line,) = [line for line in log_lines(process) if line.get("request_id") == "broken-off"]
    assert (line["event"], line["status"]) == ("http.request", 400)


async def test_the_process_serves_the_routes_that_the_tests_build(process: ApiProcess, api: Api) -> None:
    async with httpx.AsyncClient() as client:
        served = (await client.get(f"{process.url}/openapi.json")).json()

    assert served == api.app.openapi()


def test_requests_under_way_are_finished_before_it_ends(own_process: ApiProcess) -> None:
    process = own_process
    body = json.dumps(NEW_PAYMENT).encode()
    headers = "".join(f"{name}: {value}\r\n" for name, value in KEYS.items())
    head = f"POST {PAYMENTS} HTTP/1.1\r\nHost: x\r\n{headers}Content-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", process.port), timeout=20) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        connection.sendall(body[:-1])
        assert process.is_ready()
        process.process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.process.wait(0.5)

        connection.sendall(body[-1:])
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 201")
    assert process.process.wait(30) == 0


async def echo_caller(scope: Any, _receive: Any, send: Any) -> None:
    body = json.dumps({"client": scope["client"][0], "scheme": scope["scheme"]}).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}
    )
    await send({"type": "http.response.body", "body": body})


async def test_a_callers_word_about_its_address_is_not_believed() -> None:
    (port,) = find_free_ports(1)
    server, stop = http_server(echo_caller, "127.0.0.1", port), asyncio.Event()
    serving = asyncio.create_task(serve(server, stop=stop))
    await wait_until(lambda: server.started)

    async with httpx.AsyncClient() as client:
        response = await client.get(
            f"http://127.0.0.1:{port}/", headers={"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https"}
        )
    stop.set()
    await serving

    assert response.json() == {"client": "127.0.0.1", "scheme": "http"}

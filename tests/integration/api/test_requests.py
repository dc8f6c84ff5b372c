"""Whatever a client can send is answered: with its own fault, in one shape, under a request id, never with a 500."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.api import KEYS, NEW_PAYMENT, Api, expect_error

PAYMENTS = "/api/v1/payments"
JSON = {"Content-Type": "application/json"}
# The fixture's database serves all examples of a test; none of them depends on another.
EXAMPLES = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
POSTS = [
    PAYMENTS,
    f"{PAYMENTS}/pay_1/capture",
    f"{PAYMENTS}/pay_1/refunds",
    "/api/v1/webhook-endpoints",
    "/api/v1/webhook-endpoints/we_1/check-signature",
    "/api/v1/webhook-endpoints/we_1/rotate-secret",
    "/api/v1/webhook-endpoints/we_1/promote-secret",
    "/api/v1/webhook-endpoints/we_1/ping",
    "/api/v1/webhook-endpoints/we_1/replay",
    "/api/v1/webhook-deliveries/dlv_1/retry",
    "/api/v1/checkout/payments",
]
GETS = [
    PAYMENTS,
    f"{PAYMENTS}/pay_1",
    f"{PAYMENTS}/pay_1/refunds",
    "/api/v1/refunds",
    "/api/v1/refunds/rfnd_1",
    "/api/v1/webhook-endpoints",
    "/api/v1/webhook-endpoints/we_1",
    "/api/v1/webhook-endpoints/we_1/secret",
    "/api/v1/webhook-endpoints/we_1/replays",
    "/api/v1/webhook-replays/rpl_1",
    "/api/v1/webhook-deliveries",
    "/api/v1/webhook-deliveries/dlv_1",
    "/api/v1/checkout/orders/ord_1",
    "/api/v1/checkout/payments/pay_1",
]
VALID = json.dumps(NEW_PAYMENT).encode()
BODIES = [
    b"",
    b" ",
    b"{",
    b"}",
    b"null",
    b"true",
    b"5",
    b'"text"',
    b"[]",
    b"[[[[]]]]",
    b"[" * 500 + b"]" * 500,
    b"[" * 30_000,
    b'{"metadata":' * 5_000,
    b'{"metadata":' * 300 + b"{}" + b"}" * 300,
    b'{"amount":' + b"9" * 300 + b"}",
    b'{"amount":' + b"9" * 5_000 + b"}",
    b'{"amount":-' + b"9" * 5_000 + b"}",
    b'{"amount":1e400}',
    b'{"amount":1.0}',
    b'{"amount":NaN}',
    b'{"amount":Infinity}',
    b'{"amount":-0}',
    b'{"amount":true}',
    b'{"amount":"50000"}',
    b'{"amount":null,"reason":[],"url":{},"vpa":0}',
    b'{"amount":1,"amount":"two","amount":3}',
    b'{"\\ud800":1}',
    b'{"description":"\\ud800","reason":"\\udfff","url":"\\ud800"}',
    b'{"description":"\\u0000","reason":"\\u0000","url":"http://\\u0000"}',
    b'{"metadata":{"\\u0000":"\\ud800"}}',
    b'{"__proto__":{"x":1},"constructor":1}',
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    b'{"vpa":"\xff\xff"}',
    b"\x00" * 100,
    '{"vpa":"test@upi"}'.encode("utf-16"),
    '{"vpa":"test@upi"}'.encode("utf-32"),
    b"amount=50000&currency=INR",
    b"<payment/>",
    VALID[:-1],
    VALID + b"garbage",
    VALID[:-1] + b',"unknown":1}',
]
CONTENT_TYPES = [
    "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x",
    "application/xml", "application/octet-stream", "json", "/", ";", "text/json",
]  # fmt: skip
QUERIES = [
    "limit=0", "limit=NaN", "limit=1&limit=x", "limit[]=1", "limit=%00", "limit=" + "9" * 5000, "limit=\u0663",
    "starting_after=%00", "starting_after=%ff%fe", "starting_after=" + "x" * 3000, "starting_after[$gt]=", "status=%00",
    "status=SUCCESS", "order_id=%00", "order_id=%F0%9F%98%80", "order_id=" + "x" * 65, "order_id=';DROP TABLE payments",
    "%", "%zz", "&&&===", "=", "?", "a=%ud800", ";".join("a" * 100), "limit=1;status=x", "\xff=\xfe",
]  # fmt: skip
AS_IS = "&=;%[]'?$"
IDS = [
    "%00",
    "pay_%00",
    "%2e%2e%2f",
    "..",
    "%ff",
    "%F0%9F%98%80",
    "'",
    "x" * 3000,
    "pay_1%0d%0aX-Evil:1",
    "%20",
    "pay_1;",
]


def expect_fault(response: httpx.Response, sent: object) -> None:
    """An answer below 500; if it is an error, then in our shape, under an id, without our insides."""
    assert response.status_code < 500, f"{sent!r}: {response.text}"
    assert response.headers["x-request-id"], sent
    if response.status_code >= 400:
        error = response.json()["error"]
        assert error.keys() == {"code", "message", "param", "request_id", "retryable", "doc_url"}, sent
        assert error["request_id"] == response.headers["x-request-id"]
        for inside in ("Traceback", "psycopg", "sqlalchemy", "pydantic", "Input should", "pattern '"):
            assert inside not in error["message"], sent


async def test_no_body_breaks_any_route(api: Api) -> None:
    for path in POSTS:
        for body in BODIES:
            response = await api.client.post(path, content=body, headers=JSON)

            expect_fault(response, (path, body[:60]))


async def test_what_is_not_json_is_malformed(api: Api) -> None:
    for body in (b"{", b"<payment/>", b'{"vpa":"\xff"}', b"[" * 30_000, b'{"amount":' + b"9" * 5_000 + b"}"):
        expect_error(400, "invalid_request", await api.client.post(PAYMENTS, content=body, headers=JSON))


async def test_another_content_type_is_not_supported(api: Api) -> None:
    for content_type in CONTENT_TYPES:
        sent = {b"Content-Type": content_type.encode("latin-1")}
        response = await api.client.post(PAYMENTS, content=VALID, headers=sent)

        message = expect_error(415, "unsupported_media_type", response)
        assert message == "Send the body as JSON, with the header Content-Type: application/json."
    expect_error(415, "unsupported_media_type", await api.client.post(PAYMENTS, content=VALID))


async def test_a_header_that_says_who_asks_is_taken_once(api: Api) -> None:
    for name in ("Idempotency-Key", "X-Api-Key", "X-Api-Secret", "Authorization"):
        twice = [(name, KEYS.get(name, "one-of-two")), (name, "two-of-two")]
        others = [(other, value) for other, value in (KEYS | JSON).items() if other != name]
        response = await api.browser().post(PAYMENTS, content=VALID, headers=others + twice)

        assert expect_error(400, "invalid_request", response) == f"{name}: is there twice. Send it once."
        assert response.json()["error"]["param"] == name
        assert "of-two" not in response.text


async def test_a_compressed_body_is_not_read_as_if_it_were_not(api: Api) -> None:
    for body in (VALID, gzip.compress(VALID)):
        response = await api.client.post(PAYMENTS, content=body, headers=JSON | {"Content-Encoding": "gzip"})

        message = expect_error(415, "unsupported_media_type", response)
        assert message == "Send the body as it is, without Content-Encoding."


async def test_json_by_any_of_its_names_is_taken(api: Api) -> None:
    for content_type in (
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/x+json",
    ):
        response = await api.client.post(PAYMENTS, content=VALID, headers={"Content-Type": content_type})

        assert response.status_code == 201


async def endless() -> AsyncIterator[bytes]:
    for _ in range(1000):
        yield b" " * 1024


async def test_a_body_that_is_too_long_is_refused_however_it_comes(api: Api) -> None:
    for path in POSTS:
        declared = await api.client.post(path, content=b" " * 2**20, headers=JSON)
        chunked = await api.client.post(path, content=endless(), headers=JSON)
        lying = await api.client.post(path, content=b"{}", headers=JSON | {"Content-Length": str(10**9)})

        for response in (declared, chunked, lying):
            message = expect_error(413, "payload_too_large", response)
            assert message == "The body is longer than 65536 bytes."


async def test_a_body_just_short_enough_is_read(api: Api) -> None:
    padded = VALID + b" " * (64 * 1024 - len(VALID))

    assert (await api.client.post(PAYMENTS, content=padded, headers=JSON)).status_code == 201
    expect_error(413, "payload_too_large", await api.client.post(PAYMENTS, content=padded + b" ", headers=JSON))


async def test_no_query_breaks_any_route(api: Api) -> None:
    for path in GETS:
        for query in QUERIES:
            response = await api.client.get(httpx.URL(path, query=quote(query, safe=AS_IS).encode()))

            expect_fault(response, (path, query[:60]))


async def test_no_id_breaks_any_route(api: Api) -> None:
    for path in (path for path in POSTS + GETS if "_1" in path):
        prefix, _, suffix = path.partition(path.split("/")[4])
        for identifier in IDS:
            for method in ("GET", "POST", "DELETE"):
                response = await api.client.request(method, f"{prefix}{identifier}{suffix}")

                expect_fault(response, (method, prefix, identifier))
                assert response.status_code in {200, 401, 404, 405, 422}


async def test_an_unknown_path_and_a_wrong_method_are_told(api: Api) -> None:
    unknown = await api.client.get("/api/v1/nothing?here=1")
    wrong = await api.client.put(PAYMENTS, json={})
    misplaced = await api.client.get("/api/v1/cards/4111-1111-1111-1111")

    assert expect_error(404, "not_found", unknown) == "There is nothing at GET /api/v1/nothing."
    # What may be a card number is not said again.
    assert expect_error(404, "not_found", misplaced) == "There is nothing at this path."
    assert expect_error(405, "method_not_allowed", wrong) == "PUT is not possible here. Allowed: GET, POST."
    assert wrong.headers["allow"] == "GET, POST"


async def test_every_response_has_a_request_id(api: Api) -> None:
    for path in ("/healthz", "/readyz", "/openapi.json", PAYMENTS, "/nothing", "/"):
        for method in ("GET", "HEAD", "POST", "OPTIONS", "TRACE", "PROPFIND"):
            response = await api.client.request(method, path)

            assert response.headers["x-request-id"].startswith("req_"), (method, path)
            assert response.status_code < 500


async def test_a_callers_request_id_is_echoed_if_it_is_a_plain_one(api: Api) -> None:
    for request_id in ("my-id", "a" * 64, "550e8400-e29b-41d4-a716-446655440000", "A.b_c-1"):
        response = await api.client.get("/nothing", headers={"X-Request-Id": request_id})

        assert response.headers["x-request-id"] == request_id
        assert response.json()["error"]["request_id"] == request_id


async def test_any_other_request_id_is_replaced(api: Api) -> None:
    for request_id in ("", "a" * 65, "a b", '"', "<script>", "a\xe9", "a\nb", "{}"):
        sent = {b"X-Request-Id": request_id.encode("latin-1")}
        response = await api.client.get("/nothing", headers=sent)

        assert response.headers["x-request-id"].startswith("req_")


async def test_what_was_sent_as_a_value_is_never_repeated(api: Api) -> None:
    number = "4111111111111111"
    for change in ({"vpa": number}, {"amount": number}, {"method": number}, {"metadata": {"card": int(number)}}):
        response = await api.client.post(PAYMENTS, json=NEW_PAYMENT | change)

        assert response.status_code == 422
        assert number not in response.text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=10), children, max_size=3),
    max_leaves=10,
)
FIELDS = [*NEW_PAYMENT, "order_id", "description", "metadata", "capture_method", "reason", "url", "event_types", "x"]


@EXAMPLES
@given(path=st.sampled_from(POSTS), changes=st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4))
async def test_no_value_of_any_field_breaks_a_route(api: Api, path: str, changes: dict[str, Any]) -> None:
    response = await api.client.post(path, content=json.dumps(NEW_PAYMENT | changes), headers=JSON)

    expect_fault(response, (path, changes))


@EXAMPLES
@given(path=st.sampled_from(POSTS), body=st.binary(max_size=200))
async def test_no_bytes_break_a_route(api: Api, path: str, body: bytes) -> None:
    expect_fault(await api.client.post(path, content=body, headers=JSON), (path, body))


@EXAMPLES
@given(path=st.sampled_from(GETS), query=st.binary(max_size=60))
async def test_no_query_bytes_break_a_route(api: Api, path: str, query: bytes) -> None:
    expect_fault(await api.client.get(httpx.URL(path, query=quote(query, safe=AS_IS).encode())), (path, query))


@EXAMPLES
@given(
    name=st.sampled_from(
        ["Idempotency-Key", "X-Api-Key", "X-Api-Secret", "Authorization", "X-Client-Token", "X-Request-Id",
         "traceparent", "Content-Type", "Origin", "Host", "X-Forwarded-For", "Cookie", "Accept-Encoding"]
    ),
    value=st.binary(max_size=80),
)  # fmt: skip
async def test_no_header_breaks_a_route(api: Api, name: str, value: bytes) -> None:
    headers = {header.encode(): content.encode() for header, content in (KEYS | JSON).items() if header != name}
    if name == "Authorization":
        headers = {}

    async with api.browser() as client:
        for path in (PAYMENTS, "/api/v1/checkout/payments", "/nothing"):
            response = await client.post(path, content=VALID, headers=headers | {name.encode(): value})

            expect_fault(response, (path, name, value))

"""Each fault that a body can have is told with the field it is about and what to send instead."""

import json

from tests.support.api import NEW_PAYMENT, Api, expect_error

PAYMENTS = "/api/v1/payments"
JSON = {"Content-Type": "application/json"}
VALID = json.dumps(NEW_PAYMENT).encode()
WHOLE = "amount: must be a whole number of the currency's smallest unit: 50000 is 500.00 INR."
UNNAMED = "The body has a field that this request does not know; its name is not repeated, for it may be a card number."


def amount(written: bytes) -> bytes:
    return VALID.replace(b"50000", written)


def adding(field: bytes) -> bytes:
    return VALID[:-1] + b"," + field + b"}"


# The body, the field that is named, and the sentence.
MALFORMED: list[tuple[bytes, str | None, str]] = [
    (VALID + b"garbage", None, "The body is not valid JSON: see line 1, column 73."),
    (amount(b"NaN"), None, "NaN and Infinity are not JSON. Send a plain number."),
    (amount(b"9" * 5_000), None, "The body holds a number with too many digits."),
    (adding(b'"amount":1'), "amount", "amount: is there twice in one object. Send it once."),
    (VALID.replace(b"test@", b"\xff@"), None, "The body must be JSON in UTF-8."),
    (adding(b'"metadata":' + b"[" * 20 + b"]" * 20), None, "The body is nested too deeply: at most 20 levels."),
]
WRONG: list[tuple[bytes, str | None, str]] = [
    (b"", None, "The request needs a JSON body, with the header Content-Type: application/json."),
    (b"[]", None, "The body must be a JSON object."),
    (amount(b"9" * 300), "amount", "amount: must be at most 1000000000000."),
    (amount(b"1e400"), "amount", WHOLE),
    (amount(b"5e4"), "amount", WHOLE),
    (amount(b"true"), "amount", WHOLE),
    (VALID.replace(b"test@", rb"\ud800@"), "vpa", "vpa: must be valid Unicode."),
    (adding(rb'"description":"\udfff"'), "description", "description: must be valid Unicode."),
    (adding(rb'"metadata":{"a":"\ude00\ud83d"}'), "metadata.a", "metadata.a: must be valid Unicode."),
    (adding(rb'"metadata":{"\ud83d":"a"}'), "metadata", "metadata: each key must be valid Unicode."),
    (adding(rb'"description":"a\u0000b"'), "description", "description: must not hold a NUL character."),
    (adding(b'"amuont":1'), "amuont", "amuont: is not a field of this request."),
    (adding(rb'"\ud800":1'), None, "The body must be valid Unicode."),
    (adding(b'"4111111111111111":1'), None, UNNAMED),
]


async def test_a_body_that_can_not_be_read_is_told_why(api: Api) -> None:
    for body, param, message in MALFORMED:
        response = await api.client.post(PAYMENTS, content=body, headers=JSON)

        assert expect_error(400, "invalid_request", response) == message, body[:80]
        assert response.json()["error"]["param"] == param, body[:80]


async def test_a_wrong_value_is_told_with_its_field_and_what_to_send(api: Api) -> None:
    for body, param, message in WRONG:
        response = await api.client.post(PAYMENTS, content=body, headers=JSON)

        assert expect_error(422, "validation_failed", response) == message, body[:80]
        assert response.json()["error"]["param"] == param, body[:80]

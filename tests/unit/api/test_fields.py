"""What a request may hold, and what a merchant reads who sent something else."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway_api.checkout.schemas import CreateCheckoutPayment
from gateway_api.errors import explain
from gateway_api.fields import CreatedFrom, Limit, Metadata
from gateway_api.payments.schemas import CapturePayment, CreatePayment
from gateway_api.refunds.schemas import CreateRefund
from gateway_api.webhooks.schemas import CreateEndpoint

PAYMENT: dict[str, Any] = {"amount": 50_000, "currency": "INR", "method": "upi", "vpa": "test@upi"}
WHOLE = "must be a whole number of the currency's smallest unit: 50000 is 500.00 INR"
VPA = "vpa: must be a UPI address such as name@bank, with 2 characters or more before the @."
UNNAMED = "The body has a field that this request does not know; its name is not repeated, for it may be a card number."
REFERENCE = "order_id: must be 1 to 64 visible ASCII characters, without spaces."
NEW_PAYMENT: TypeAdapter[Any] = TypeAdapter(CreatePayment)
ADDRESS = "url: must be an http:// or https:// address in ASCII."


def complaint(model: type[BaseModel] | TypeAdapter[Any], values: Any) -> str:
    """The sentence a merchant gets for the first thing wrong."""
    adapter = model if isinstance(model, TypeAdapter) else TypeAdapter(model)
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(values)
    first = caught.value.errors()[0]
    message, _param = explain(dict(first), [str(part) for part in first["loc"]])
    return message


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"amount": 1},
        {"amount": 10**12},
        {"currency": "JPY"},
        {"vpa": "a.b-c_d1@okhdfcbank"},
        {"vpa": "9876543210@ybl"},
        {"order_id": "ord_test_001"},
        {"order_id": "x" * 64},
        {"order_id": None, "description": None},
        {"description": "₹ 500 für 😀"},
        {"capture_method": "automatic"},
        {"metadata": {"cart": "7", "01": "leading zero", "note": ""}},
        {"metadata": {f"key {number}": "x" * 500 for number in range(50)}},
    ],
)
def test_an_ordinary_payment_is_accepted(changes: dict[str, Any]) -> None:
    NEW_PAYMENT.validate_python(PAYMENT | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amount": 0}, "amount: must be at least 1."),
        ({"amount": -5}, "amount: must be at least 1."),
        ({"amount": 10**12 + 1}, "amount: must be at most 1000000000000."),
        ({"amount": 10**300}, "amount: must be at most 1000000000000."),
        ({"amount": 500.0}, f"amount: {WHOLE}."),
        ({"amount": float("nan")}, f"amount: {WHOLE}."),
        ({"amount": True}, f"amount: {WHOLE}."),
        ({"amount": "50000"}, f"amount: {WHOLE}."),
        ({"amount": None}, f"amount: {WHOLE}."),
        ({"amount": [1]}, f"amount: {WHOLE}."),
        ({"currency": "inr"}, "currency: must be an ISO 4217 code such as INR, in capitals."),
        ({"currency": "XTS"}, "currency: must be an ISO 4217 code such as INR, in capitals."),
        ({"currency": 356}, "currency: must be a string."),
        ({"method": "cash"}, "method: must be 'upi', 'card', 'netbanking' or 'wallet'."),
        ({"method": ["upi"]}, "method: must be 'upi', 'card', 'netbanking' or 'wallet'."),
        ({"method": "card"}, "card: is required."),
        ({"method": "wallet", "wallet": "paytm"}, "vpa: is not a field of this request."),
        ({"upi": {"flow": "qr"}}, "vpa: is not a field of this request."),
        ({"upi": {"flow": "push"}}, "upi.flow: must be 'collect', 'intent' or 'qr'."),
        ({"vpa": "not a vpa"}, VPA),
        ({"vpa": "test"}, VPA),
        ({"vpa": "@upi"}, VPA),
        ({"vpa": "test@upi\n"}, VPA),
        ({"vpa": "test@upi@upi"}, VPA),
        ({"vpa": "tést@upi"}, VPA),
        ({"vpa": ""}, VPA),
        ({"vpa": None}, "vpa: must be a string."),
        ({"vpa": "\ud800@upi"}, "vpa: must be valid Unicode."),
        ({"order_id": ""}, REFERENCE),
        ({"order_id": "a b"}, REFERENCE),
        ({"order_id": "x" * 65}, REFERENCE),
        ({"order_id": "order\0"}, REFERENCE),
        ({"capture_method": "later"}, "capture_method: must be 'manual' or 'automatic'."),
        ({"description": ""}, "description: must not be empty."),
        ({"description": "x" * 501}, "description: must have at most 500 characters."),
        ({"description": "a\0b"}, "description: must not hold a NUL character."),
        ({"metadata": []}, "metadata: must be a JSON object."),
        ({"metadata": None}, "metadata: must be a JSON object."),
        ({"metadata": {"cart": 7}}, "metadata.cart: must be a string."),
        ({"metadata": {"cart": None}}, "metadata.cart: must be a string."),
        ({"metadata": {"cart": {"deep": "x"}}}, "metadata.cart: must be a string."),
        ({"metadata": {"cart": "x" * 501}}, "metadata.cart: must have at most 500 characters."),
        ({"metadata": {"cart": "\0"}}, "metadata.cart: must not hold a NUL character."),
        ({"metadata": {"": "x"}}, "metadata: each key must not be empty."),
        ({"metadata": {"k" * 41: "x"}}, "metadata: each key must have at most 40 characters."),
        ({"metadata": {"\ud800": "x"}}, "metadata: each key must be valid Unicode."),
        ({"metadata": {"42": "x"}}, "metadata: each key must not be a whole number, nor hold a NUL character."),
        (
            {"metadata": {f"key {number}": "x" for number in range(51)}},
            "metadata: must have at most 50 entries.",
        ),
        ({"amuont": 5}, "amuont: is not a field of this request."),
        # A name that may be a card number is not said again.
        ({"4111 1111 1111 1111": 5}, UNNAMED),
        ({"metadata": {"card 4111111111111111": 5}}, "metadata: an entry must be a string."),
        ({"status": "success"}, "status: is not a field of this request."),
        ({"body": 1}, "body: is not a field of this request."),
    ],
)
def test_a_wrong_payment_is_explained_in_plain_words(changes: dict[str, Any], message: str) -> None:
    assert complaint(NEW_PAYMENT, PAYMENT | changes) == message


@pytest.mark.parametrize(
    ("changes", "message", "param"),
    [
        ({"4111111111111111": 1}, UNNAMED, None),
        ({"x" * 500: 1}, UNNAMED, None),
        ({"metadata": {"4111111111111111x": 7}}, "metadata: an entry must be a string.", "metadata"),
        ({"upi": {"4111111111111111": 1}}, UNNAMED, "upi"),
        ({"metadata": {"a\nb": 7}}, "metadata: an entry must be a string.", "metadata"),
        ({"metadata": {"01": 7}}, "metadata.01: must be a string.", "metadata.01"),
    ],
)
def test_a_name_that_may_be_anything_is_not_repeated(changes: dict[str, Any], message: str, param: str | None) -> None:
    with pytest.raises(ValidationError) as caught:
        NEW_PAYMENT.validate_python(PAYMENT | changes)
    first = caught.value.errors()[0]

    assert explain(dict(first), [str(part) for part in first["loc"]]) == (message, param)


@pytest.mark.parametrize("field", PAYMENT)
def test_a_missing_field_is_named(field: str) -> None:
    values = {name: value for name, value in PAYMENT.items() if name != field}

    required = "must be 'upi', 'card', 'netbanking' or 'wallet'" if field == "method" else "is required"
    assert complaint(NEW_PAYMENT, values) == f"{field}: {required}."


@pytest.mark.parametrize("body", [[], [PAYMENT], "text", 5, None, True])
def test_a_body_that_is_no_object_is_told_so(body: Any) -> None:
    assert complaint(NEW_PAYMENT, body) == "The body must be a JSON object."


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (CapturePayment, {"amount": 1.5}, f"amount: {WHOLE}."),
        (CapturePayment, {"amount": 0}, "amount: must be at least 1."),
        (CreateRefund, {"amount": "1000"}, f"amount: {WHOLE}."),
        (CreateRefund, {"reason": ""}, "reason: must not be empty."),
        (CreateRefund, {"reason": 5}, "reason: must be a string."),
        (CreateCheckoutPayment, {"order_id": "o", "method": "upi", "vpa": "x"}, VPA),
        (
            CreateCheckoutPayment,
            {"order_id": "o", "method": "upi", "vpa": "test@upi", "amount": 1},
            "amount: is not a field of this request.",
        ),
    ],
)
def test_the_other_requests_complain_alike(model: type[BaseModel], values: Any, message: str) -> None:
    assert complaint(model, values) == message


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:9999/hooks",
        "https://shop.example/hooks?x=1",
        "https://[::1]:8443/",
        "HTTPS://SHOP.EXAMPLE",
        "https://xn--bcher-kva.example/",
    ],
)
def test_an_address_that_can_be_dialled_is_accepted(url: str) -> None:
    assert CreateEndpoint.model_validate({"url": url}).url == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", ADDRESS),
        ("shop.example", ADDRESS),
        ("ftp://shop.example", ADDRESS),
        ("javascript:alert(1)", ADDRESS),
        ("http://", ADDRESS),
        ("http:///hooks", ADDRESS),
        ("http://[::1", ADDRESS),
        ("http://shop.example:99999/", ADDRESS),
        ("http://shop.example:0/", ADDRESS),
        ("http://bücher.example/", ADDRESS),
        ("http://shop.example/\n", ADDRESS),
        ("http://shop.example/a b", "url: must hold no space, no user name and no #fragment."),
        ("http://user:password@shop.example/", "url: must hold no space, no user name and no #fragment."),
        ("http://shop.example/#top", "url: must hold no space, no user name and no #fragment."),
        ("http://shop.example/" + "x" * 2000, "url: must have at most 2000 characters."),
    ],
)
def test_an_address_that_can_not_be_dialled_is_refused(url: str, message: str) -> None:
    assert complaint(CreateEndpoint, {"url": url}) == message


def test_an_unknown_event_type_is_answered_with_those_there_are() -> None:
    message = complaint(CreateEndpoint, {"url": "https://shop.example", "event_types": ["payment.sucess"]})

    assert message.startswith("event_types.0: must be 'payment.created', ")
    assert "payment.sucess" not in message


@pytest.mark.parametrize(
    "url", ["http://shop*.example/", "http://sh,op/", "http://a:/", "http://a\\b/", "http://@/", "https://a:65536"]
)
def test_an_address_whose_host_is_no_name_is_refused(url: str) -> None:
    assert complaint(CreateEndpoint, {"url": url}).startswith("url: must ")


@given(st.text(max_size=45))
def test_the_schema_of_metadata_takes_the_keys_that_are_taken(key: str) -> None:
    schema = TypeAdapter(Metadata).json_schema()["propertyNames"]
    promised = schema["minLength"] <= len(key) <= schema["maxLength"] and bool(re.search(schema["pattern"], key))

    try:
        TypeAdapter(Metadata).validate_python({key: ""})
        taken = True
    except ValidationError:
        taken = False

    assert taken == promised


@pytest.mark.parametrize("value", ["1", "100", "007"])
def test_a_limit_is_plain_digits(value: str) -> None:
    assert TypeAdapter(Limit).validate_python(value) == int(value)


@pytest.mark.parametrize("value", ["", "0", "101", "-1", "+5", " 5", "5\n", "1_0", "5.0", "1e1", "٣", "x", "9" * 5_000])
def test_anything_else_is_no_limit(value: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Limit).validate_python(value)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-01-31T18:30:00Z", datetime(2026, 1, 31, 18, 30, tzinfo=UTC)),
        ("2026-02-01T00:00:00+05:30", datetime(2026, 1, 31, 18, 30, tzinfo=UTC)),
        ("2026-01-31T18:30:00.123456Z", datetime(2026, 1, 31, 18, 30, 0, 123_456, tzinfo=UTC)),
        ("2026-01-31T18:30:00-00:00", datetime(2026, 1, 31, 18, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_with_its_zone_is_read_as_utc(value: str, moment: datetime) -> None:
    read = TypeAdapter(CreatedFrom).validate_python(value)

    assert read == moment
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2026-01-31",
        "2026-01-31T18:30:00",
        "2026-01-31 18:30:00Z",
        "2026-01-31T18:30Z",
        "2026-01-31T18:30:00 05:30",
        "2026-02-30T00:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T18:30:00+24:00",
        "2026-01-31T18:30:00Z\n",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1700000000",
        "2026-W05-6T00:00:00Z",
        "٢٠٢٦-01-31T18:30:00Z",
    ],
)
def test_anything_else_is_no_moment(value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(CreatedFrom).validate_python(value)

    message, _ = explain(dict(caught.value.errors()[0]), ["created_from"])
    assert message == "created_from: must be a time with its zone, such as 2026-01-31T18:30:00Z."

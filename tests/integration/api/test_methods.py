"""Payments by each method over HTTP: what the answer shows of it, and what is refused, by the name of its field."""

from typing import Any, Final

import pytest
from sqlalchemy import text
from tests.support.api import Api, expect, expect_error

PAYMENTS: Final = "/api/v1/payments"
KEY: Final = {"Idempotency-Key": "card-12345678"}
MONEY: Final = {"amount": 50_000, "currency": "INR"}
CARD: Final = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2098, "cvc": "987", "name": "Asha Rao"}
AMEX: Final = "378282246310005"
NOTHING: Final = {"vpa": None, "upi": None, "card": None, "bank": None, "wallet": None}
SHOWN_CARD: Final = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2098}


def by_card(**changes: Any) -> dict[str, Any]:
    return MONEY | {"method": "card", "card": CARD | changes}


METHODS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"method": "upi", "vpa": "test@upi"}, {"vpa": "test@upi", "upi": {"flow": "collect"}}),
    (
        {"method": "upi", "vpa": "test@upi", "upi": {"flow": "collect"}},
        {"vpa": "test@upi", "upi": {"flow": "collect"}},
    ),
    ({"method": "upi", "vpa": "test@upi", "upi": {}}, {"vpa": "test@upi", "upi": {"flow": "collect"}}),
    ({"method": "upi", "upi": {"flow": "intent"}}, {"upi": {"flow": "intent"}}),
    ({"method": "upi", "upi": {"flow": "qr"}}, {"upi": {"flow": "qr"}}),
    ({"method": "card", "card": CARD}, {"card": SHOWN_CARD}),
    (
        {"method": "card", "card": CARD | {"number": AMEX, "cvc": "1234"}},
        {"card": SHOWN_CARD | {"brand": "amex", "last4": "0005"}},
    ),
    ({"method": "netbanking", "bank": "hdfc"}, {"bank": "hdfc"}),
    ({"method": "wallet", "wallet": "paytm"}, {"wallet": "paytm"}),
]
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({}, "method", "method: must be 'upi', 'card', 'netbanking' or 'wallet'."),
    ({"method": "cash"}, "method", "method: must be 'upi', 'card', 'netbanking' or 'wallet'."),
    ({"method": "upi"}, "vpa", "vpa: is required."),
    (
        {"method": "upi", "vpa": "nope"},
        "vpa", "vpa: must be a UPI address such as name@bank, with 2 characters or more before the @.",
    ),
    ({"method": "upi", "upi": {"flow": "collect"}}, "vpa", "vpa: is required."),
    (
        {"method": "upi", "upi": {"flow": "intent"}, "vpa": "test@upi"},
        "vpa", "vpa: is not a field of this request.",
    ),
    (
        {"method": "upi", "upi": {"flow": "colect"}, "vpa": "test@upi"},
        "upi.flow", "upi.flow: must be 'collect', 'intent' or 'qr'.",
    ),
    ({"method": "upi", "upi": {"flow": ["qr"]}}, "upi.flow", "upi.flow: must be 'collect', 'intent' or 'qr'."),
    ({"method": "upi", "vpa": "test@upi", "upi": None}, "upi", "upi: must be a JSON object."),
    ({"method": "upi", "vpa": "test@upi", "upi": "qr"}, "upi", "upi: must be a JSON object."),
    ({"method": "upi", "vpa": "test@upi", "card": CARD}, "card", "card: is not a field of this request."),
    ({"method": "card"}, "card", "card: is required."),
    ({"method": "card", "card": "4242424242424242"}, "card", "card: must be a JSON object."),
    (by_card() | {"vpa": "test@upi"}, "vpa", "vpa: is not a field of this request."),
    (
        by_card(number="4242424242424241"),
        "card.number", "card.number: is not a card number: its check digit does not fit.",
    ),
    (by_card(number="4242 4242 4242 4242"), "card.number", "card.number: must be 12 to 19 digits, without spaces."),
    (by_card(number="42"), "card.number", "card.number: must be 12 to 19 digits, without spaces."),
    (by_card(number=4242424242424242), "card.number", "card.number: must be a string."),
    (by_card(cvc="1234"), "card.cvc", "card.cvc: must be 3 digits for this card."),
    (by_card(number=AMEX, cvc="123"), "card.cvc", "card.cvc: must be 4 digits for this card."),
    (by_card(cvc="12"), "card.cvc", "card.cvc: must be 3 or 4 digits."),
    (by_card(cvc="12x"), "card.cvc", "card.cvc: must be 3 or 4 digits."),
    (by_card(number="1", cvc="1"), "card.number", "card.number: must be 12 to 19 digits, without spaces."),
    (by_card(exp_month=13), "card.exp_month", "card.exp_month: must be at most 12."),
    (by_card(exp_month=0), "card.exp_month", "card.exp_month: must be at least 1."),
    (by_card(exp_month="12"), "card.exp_month", "card.exp_month: must be a whole number."),
    (by_card(exp_year=98), "card.exp_year", "card.exp_year: must be at least 2000."),
    (by_card(exp_year=2020), "card.exp_year", "card.exp_year: the card has expired."),
    (by_card(pin="1234"), "card.pin", "card.pin: is not a field of this request."),
    (by_card(name=""), "card.name", "card.name: must not be empty."),
    ({"method": "netbanking"}, "bank", "bank: is required."),
    (
        {"method": "netbanking", "bank": "HDFC Bank"},
        "bank", "bank: must be 2 to 32 lower-case letters, digits or _, such as hdfc.",
    ),
    ({"method": "netbanking", "wallet": "paytm", "bank": "hdfc"}, "wallet", "wallet: is not a field of this request."),
    ({"method": "wallet"}, "wallet", "wallet: is required."),
    (
        {"method": "wallet", "wallet": "x"},
        "wallet", "wallet: must be 2 to 32 lower-case letters, digits or _, such as hdfc.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "shown"), METHODS)
async def test_each_method_is_shown_in_its_own_field_and_the_others_are_empty(
    api: Api, wanted: dict[str, Any], shown: dict[str, Any]
) -> None:
    created = expect(201, await api.client.post(PAYMENTS, json=MONEY | wanted))

    assert {name: created[name] for name in NOTHING} == NOTHING | shown
    assert (created["method"], created["status"]) == (wanted["method"], "pending")
    assert expect(200, await api.client.get(f"{PAYMENTS}/{created['id']}")) == created
    async with api.database.statement() as connection:
        body = await connection.scalar(text("SELECT convert_from(body, 'UTF8')::jsonb FROM events"))
    assert body["data"]["payment"] == created


@pytest.mark.parametrize(("wanted", "param", "message"), REFUSED)
async def test_what_a_method_does_not_take_is_refused_by_name(
    api: Api, wanted: dict[str, Any], param: str, message: str
) -> None:
    response = await api.client.post(PAYMENTS, json=MONEY | wanted, headers=KEY)

    assert expect_error(422, "validation_failed", response) == message
    assert response.json()["error"]["param"] == param
    for secret in ("4242424242424242", "4242 4242", AMEX, '"987"', "Asha"):
        assert secret not in response.text
    async with api.database.statement() as connection:
        for table in ("payments", "payment_cards", "idempotency_keys"):
            assert await connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0


async def test_each_method_finds_its_own_in_a_list(api: Api) -> None:
    made: dict[str, list[str]] = {}
    for wanted, _ in METHODS:
        created = expect(201, await api.client.post(PAYMENTS, json=MONEY | wanted))
        made.setdefault(wanted["method"], []).append(created["id"])

    for method, ids in made.items():
        page = expect(200, await api.client.get(PAYMENTS, params={"method": method}))
        assert sorted(payment["id"] for payment in page["data"]) == sorted(ids)
    response = await api.client.get(PAYMENTS, params={"method": "cash"})
    assert expect_error(422, "validation_failed", response).startswith("method: must be 'upi', 'card'")


async def test_a_list_is_narrowed_to_a_range_of_time_to_the_millisecond(api: Api) -> None:
    made = [expect(201, await api.client.post(PAYMENTS, json=MONEY | METHODS[0][0])) for _ in range(3)]
    first, last = made[0]["created_at"], made[-1]["created_at"]

    async def listed(**query: str) -> set[str]:
        page = expect(200, await api.client.get(PAYMENTS, params=query))
        return {payment["id"] for payment in page["data"]}

    assert await listed(created_from=first) == {payment["id"] for payment in made}
    assert made[0]["id"] not in await listed(created_to=first)
    assert await listed(created_from=first, created_to=last) == {
        payment["id"] for payment in made if first <= payment["created_at"] < last
    }
    assert await listed(created_from=last, created_to=first) == set()


async def test_the_same_key_with_another_card_is_another_request_and_the_same_card_is_a_replay(api: Api) -> None:
    first = await api.client.post(PAYMENTS, json=by_card(), headers=KEY)

    again = await api.client.post(PAYMENTS, json=by_card(), headers=KEY)
    others = [
        await api.client.post(PAYMENTS, json=by_card(**change), headers=KEY)
        for change in ({"number": "4000000000000002"}, {"cvc": "988"}, {"exp_month": 11}, {"name": "A. Rao"})
    ]

    assert expect(201, first) == expect(201, again)
    assert again.headers["idempotent-replayed"] == "true"
    for response in others:
        expect_error(422, "idempotency_key_reuse", response)


async def test_a_live_key_is_told_that_no_provider_serves_it_whatever_the_method(api: Api) -> None:
    live = await api.add_key("key_live_shop", "mer_shop", "secret-of-the-shop")

    for wanted, _ in METHODS:
        response = await api.client.post(PAYMENTS, json=MONEY | wanted, headers=live)
        assert "live payments" in expect_error(409, "no_provider", response)

"""Orders over HTTP: created, found by either name, paid once; and what a payment that does not fit is told."""

import asyncio
from typing import Any, Final

import httpx
import pytest
from tests.support.api import NEW_PAYMENT, Api, expect, expect_error
from tests.support.processing import Process

ORDERS: Final = "/api/v1/orders"
PAYMENTS: Final = "/api/v1/payments"
NEW_ORDER: Final = {"amount": 50_000, "currency": "INR"}
KEY: Final = {"Idempotency-Key": "order-12345678"}


async def create_order(api: Api, **changes: Any) -> dict[str, Any]:
    order: dict[str, Any] = expect(201, await api.client.post(ORDERS, json=NEW_ORDER | changes))
    return order


async def read_order(api: Api, name: str) -> dict[str, Any]:
    order: dict[str, Any] = expect(200, await api.client.get(f"{ORDERS}/{name}"))
    return order


async def pay(api: Api, order_id: str, **changes: Any) -> httpx.Response:
    return await api.client.post(PAYMENTS, json=NEW_PAYMENT | {"order_id": order_id} | changes)


async def test_a_created_order_is_complete_and_reads_back_by_id_and_by_reference(api: Api) -> None:
    order = await create_order(api, reference="cart-7", description="Tea", metadata={"a": "₹"})

    assert await read_order(api, order["id"]) == await read_order(api, "cart-7") == order
    assert order.pop("id").startswith("ord_")
    assert order.pop("created_at") == order.pop("updated_at")
    assert order == NEW_ORDER | {
        "object": "order",
        "reference": "cart-7",
        "status": "created",
        "payment_id": None,
        "attempts": 0,
        "description": "Tea",
        "metadata": {"a": "₹"},
        "livemode": False,
        "version": 1,
    }


@pytest.mark.parametrize("reference", ["INV/2026/17", "a?b#c", "100%", "~!@$&*()", "x" * 64, "ord_0"])
async def test_whatever_may_be_a_reference_finds_its_order(api: Api, reference: str) -> None:
    order = await create_order(api, reference=reference)
    name = "".join(f"%{ord(character):02X}" for character in reference)

    assert await read_order(api, name) == order
    checkout = await api.client.get(f"/api/v1/checkout/orders/{name}")
    assert expect(200, checkout)["order_id"] == reference
    payment = expect(201, await pay(api, reference))
    assert (await read_order(api, name))["payment_id"] == payment["id"]


async def test_a_reference_is_given_once_per_mode(api: Api) -> None:
    await create_order(api, reference="cart-7")
    live = await api.add_key("key_live_same", "mer_test", "secret-of-the-live")

    response = await api.client.post(ORDERS, json=NEW_ORDER | {"reference": "cart-7"})

    assert expect_error(409, "conflict", response) == "There is an order with this reference already."
    assert response.json()["error"]["param"] == "reference"
    expect(201, await api.client.post(ORDERS, json=NEW_ORDER | {"reference": "cart-7"}, headers=live))
    assert len(expect(200, await api.client.get(ORDERS))["data"]) == 1


async def test_of_many_orders_at_once_with_one_reference_one_is_made(api: Api) -> None:
    wanted = NEW_ORDER | {"reference": "cart-7"}

    responses = await asyncio.gather(*(api.client.post(ORDERS, json=wanted) for _ in range(20)))

    assert sorted(response.status_code for response in responses) == [201] + [409] * 19


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": 0}, "amount: must be at least 1."),
        ({"amount": None}, "amount: must be a whole number of the currency's smallest unit: 50000 is 500.00 INR."),
        ({"currency": "inr"}, "currency: must be an ISO 4217 code such as INR, in capitals."),
        ({"reference": "with space"}, "reference: must be 1 to 64 visible ASCII characters, without spaces."),
        ({"reference": ""}, "reference: must be 1 to 64 visible ASCII characters, without spaces."),
        ({"vpa": "test@upi"}, "vpa: is not a field of this request."),
        ({"status": "paid"}, "status: is not a field of this request."),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(api: Api, change: dict[str, Any], message: str) -> None:
    response = await api.client.post(ORDERS, json=NEW_ORDER | change)

    assert expect_error(422, "validation_failed", response) == message


async def test_an_unknown_order_is_not_found(api: Api) -> None:
    for name in ("ord_unknown", "cart-7", "a/b", "%00"):
        expect_error(404, "not_found", await api.client.get(f"{ORDERS}/{name}"))


async def test_orders_are_listed_newest_first_in_pages(api: Api) -> None:
    ids = [(await create_order(api))["id"] for _ in range(5)]

    page = expect(200, await api.client.get(ORDERS, params={"limit": 3}))
    rest = expect(200, await api.client.get(ORDERS, params={"starting_after": page["next_cursor"]}))

    assert [order["id"] for order in page["data"] + rest["data"]] == sorted(ids, reverse=True)
    assert (page["has_more"], rest["has_more"]) == (True, False)


async def test_a_repeated_create_is_answered_again_and_makes_no_second_order(api: Api) -> None:
    first = await api.client.post(ORDERS, json=NEW_ORDER | {"reference": "cart-7"}, headers=KEY)
    again = await api.client.post(ORDERS, json=NEW_ORDER | {"reference": "cart-7"}, headers=KEY)
    other = await api.client.post(ORDERS, json=NEW_ORDER | {"reference": "cart-8"}, headers=KEY)

    assert expect(201, again) == expect(201, first)
    assert again.headers["idempotent-replayed"] == "true"
    expect_error(422, "idempotency_key_reuse", other)
    assert len(expect(200, await api.client.get(ORDERS))["data"]) == 1


async def test_a_refused_reference_does_not_take_its_key(api: Api) -> None:
    await create_order(api, reference="cart-7")

    expect_error(409, "conflict", await api.client.post(ORDERS, json=NEW_ORDER | {"reference": "cart-7"}, headers=KEY))
    expect(201, await api.client.post(ORDERS, json=NEW_ORDER | {"reference": "cart-8"}, headers=KEY))


@pytest.mark.parametrize("by", ["id", "reference"])
async def test_an_order_goes_from_created_to_attempted_to_paid(api: Api, process: Process, by: str) -> None:
    order = await create_order(api, reference="cart-7")

    payment = expect(201, await pay(api, order[by]))
    attempted = await read_order(api, order["id"])
    await process(payment["id"])
    paid = await read_order(api, order["id"])

    assert payment["order_id"] == order[by], "as the merchant named it"
    assert (attempted["status"], attempted["payment_id"], attempted["attempts"]) == ("attempted", payment["id"], 1)
    assert paid == attempted | {"status": "paid", "version": 3, "updated_at": paid["updated_at"]}


async def test_a_payment_must_have_the_orders_amount_and_currency(api: Api) -> None:
    order = await create_order(api)

    for change, param in (({"amount": 49_999}, "amount"), ({"currency": "USD"}, "currency")):
        response = await pay(api, order["id"], **change)

        message = expect_error(422, "validation_failed", response)
        assert message == "The order is for 500.00 INR: a payment of it must have its amount and currency."
        assert response.json()["error"]["param"] == param
    assert await read_order(api, order["id"]) == order
    assert expect(200, await api.client.get(PAYMENTS))["data"] == []


async def test_an_order_takes_one_payment_at_a_time_and_none_when_it_is_paid(api: Api, process: Process) -> None:
    order = await create_order(api)
    payment = expect(201, await pay(api, order["id"]))

    busy = await pay(api, order["id"])
    await process(payment["id"])
    paid = await pay(api, order["id"])

    message = expect_error(409, "order_state_conflict", busy)
    assert message == f"The order is attempted and has a payment under way ({payment['id']})."
    assert expect_error(409, "order_state_conflict", paid) == f"The order is paid, by {payment['id']}."
    assert {response.json()["error"]["param"] for response in (busy, paid)} == {"order_id"}


async def test_after_a_failed_payment_another_may_be_made_and_both_are_found_by_either_name(
    api: Api, process: Process
) -> None:
    order = await create_order(api, reference="cart-7")
    failed = expect(201, await pay(api, order["id"], vpa="failure@upi"))
    await process(failed["id"])

    second = expect(201, await pay(api, "cart-7"))

    for name in (order["id"], "cart-7"):
        page = expect(200, await api.client.get(PAYMENTS, params={"order_id": name}))
        assert [payment["id"] for payment in page["data"]] == [second["id"], failed["id"]]
    assert (await read_order(api, "cart-7"))["attempts"] == 2


async def test_of_many_payments_of_one_order_at_once_one_is_made_and_the_others_are_told_why(api: Api) -> None:
    order = await create_order(api)

    responses = await asyncio.gather(*(pay(api, order["id"]) for _ in range(20)))

    assert sorted(response.status_code for response in responses) == [201] + [409] * 19
    winner = next(response.json() for response in responses if response.status_code == 201)
    assert (await read_order(api, order["id"]))["payment_id"] == winner["id"]


async def test_a_repeated_payment_of_an_order_is_answered_again_whatever_became_of_the_order(
    api: Api, process: Process
) -> None:
    order = await create_order(api)
    wanted = NEW_PAYMENT | {"order_id": order["id"]}
    first = await api.client.post(PAYMENTS, json=wanted, headers=KEY)

    busy = await api.client.post(PAYMENTS, json=wanted, headers=KEY)
    await process(expect(201, first)["id"])
    paid = await api.client.post(PAYMENTS, json=wanted, headers=KEY)

    assert expect(201, busy) == expect(201, paid) == first.json()
    assert busy.headers["idempotent-replayed"] == paid.headers["idempotent-replayed"] == "true"
    expect_error(409, "order_state_conflict", await api.client.post(PAYMENTS, json=wanted))


async def test_a_name_that_no_order_of_ones_own_has_is_only_a_reference(api: Api) -> None:
    other = await api.add_key("key_test_other", "mer_other", "secret-of-the-other")
    foreign = expect(201, await api.client.post(ORDERS, json=NEW_ORDER | {"amount": 1}, headers=other))

    for name in (foreign["id"], "cart-of-nobody"):
        for _ in range(2):
            assert expect(201, await pay(api, name))["order_id"] == name
    read = await api.client.get(f"{ORDERS}/{foreign['id']}", headers=other)
    assert expect(200, read) == foreign


async def test_the_checkout_shows_what_the_order_asks_for_and_pays_just_that(api: Api) -> None:
    order = await create_order(api, amount=12_345, reference="cart-7")
    wish = {"order_id": "cart-7", "method": "upi", "vpa": "test@upi"}

    made = expect(201, await api.client.post("/api/v1/checkout/payments", json=wish))
    shown = expect(200, await api.client.get("/api/v1/checkout/orders/cart-7"))
    again = await api.client.post("/api/v1/checkout/payments", json=wish)

    assert made["payment"]["amount"] == shown["amount"] == 12_345
    assert shown["status"] == "attempted"
    assert (await read_order(api, order["id"]))["payment_id"] == made["payment"]["id"]
    expect_error(409, "order_state_conflict", again)


async def test_a_wrong_method_on_an_order_is_told_the_right_one(api: Api) -> None:
    response = await api.client.delete(f"{ORDERS}/cart-7")

    expect_error(405, "method_not_allowed", response)
    assert response.headers["allow"] == "GET"

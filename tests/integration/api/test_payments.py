"""Payments over HTTP: created at once, read, listed page by page, captured once."""

import asyncio
from typing import Any

import orjson
from redis.asyncio import Redis
from sqlalchemy import text
from tests.support.api import NEW_PAYMENT, Api, expect, expect_error
from tests.support.waiting import wait_until

from gateway_common.queue.messages import PAYMENTS_STREAM

PAYMENTS = "/api/v1/payments"
WRONG_QUERIES = {
    "limit=0": "limit: must be at least 1.",
    "limit=101": "limit: must be at most 100.",
    "limit=-1": "limit: must be at least 1.",
    "limit=ten": "limit: must be a whole number.",
    "limit=1.5": "limit: must be a whole number.",
    "limit=": "limit: must be a whole number.",
    f"limit={'9' * 5000}": "limit: must be a whole number.",
    "starting_after=": "starting_after: must be the next_cursor of the page before.",
    "starting_after=garbage": "starting_after: must be the next_cursor of the page before.",
    "starting_after=pay_1%00": "starting_after: must be the next_cursor of the page before.",
    "starting_after=pay_1'--": "starting_after: must be the next_cursor of the page before.",
    "order_id=": "order_id: must be 1 to 64 visible ASCII characters, without spaces.",
    "order_id=%00": "order_id: must be 1 to 64 visible ASCII characters, without spaces.",
    "status=paid": "status: must be 'pending', 'processing', 'success', 'failed', 'cancelled' or 'expired'.",
}


async def list_ids(api: Api, **query: Any) -> list[str]:
    page = expect(200, await api.client.get(PAYMENTS, params=query))
    return [payment["id"] for payment in page["data"]]


async def test_a_created_payment_is_pending_and_complete(api: Api) -> None:
    payment = await api.create(order_id="ord_test_001", description="Tea", metadata={"cart": "7", "a": "₹"})

    assert payment.pop("id").startswith("pay_")
    assert payment.pop("created_at") == payment.pop("updated_at")
    assert payment == NEW_PAYMENT | {
        "object": "payment",
        "order_id": "ord_test_001",
        "upi": {"flow": "collect"},
        "card": None,
        "bank": None,
        "wallet": None,
        "status": "pending",
        "capture_method": "manual",
        "capture_status": None,
        "captured": False,
        "amount_captured": 0,
        "amount_refunded": 0,
        "error": None,
        "next_action": None,
        "needs_attention": False,
        "description": "Tea",
        "metadata": {"cart": "7", "a": "₹"},
        "livemode": False,
        "version": 1,
    }


async def test_a_created_payment_reads_back_as_it_was_answered(api: Api) -> None:
    created = await api.create(metadata={"zebra": "1", "ant": "2"}, capture_method="automatic")

    assert expect(200, await api.client.get(f"{PAYMENTS}/{created['id']}")) == created


async def test_payment_event_and_delivery_are_stored_together(api: Api) -> None:
    await api.client.post("/api/v1/webhook-endpoints", json={"url": "https://shop.example/hooks"})

    created = await api.create()

    async with api.database.statement() as connection:
        events = (await connection.execute(text("SELECT id, type, object_id, body FROM events"))).all()
        deliveries = (await connection.execute(text("SELECT event_id, status FROM webhook_deliveries"))).all()
    ((event_id, event_type, object_id, body),) = events
    assert (event_type, object_id) == ("payment.created", created["id"])
    assert orjson.loads(body)["data"] == {"payment": created}
    assert deliveries == [(event_id, "pending")]


async def test_a_created_payment_is_rung_for_once(api: Api, redis_url: str) -> None:
    created = await api.create()

    async with Redis.from_url(redis_url) as client:

        async def has_rung() -> bool:
            return bool(await client.exists(PAYMENTS_STREAM))

        await wait_until(has_rung)
        rings = repr(await client.xrange(PAYMENTS_STREAM))
    assert rings.count(created["id"]) == 1
    assert "test@upi" not in rings


async def test_concurrent_creates_are_all_stored_and_each_is_told_its_own(api: Api) -> None:
    created = await asyncio.gather(*(api.create(order_id=f"order-{number}") for number in range(100)))

    assert [payment["order_id"] for payment in created] == [f"order-{number}" for number in range(100)]
    for payment in created[::10]:
        assert expect(200, await api.client.get(f"{PAYMENTS}/{payment['id']}")) == payment


async def test_an_unknown_payment_is_not_found(api: Api) -> None:
    message = expect_error(404, "not_found", await api.client.get(f"{PAYMENTS}/pay_00000"))

    assert message == "There is no such payment."


async def test_a_list_shows_the_newest_first_and_ends(api: Api) -> None:
    created = [(await api.create())["id"] for _ in range(3)]

    page = expect(200, await api.client.get(PAYMENTS))

    assert [payment["id"] for payment in page["data"]] == sorted(created, reverse=True)
    assert (page["object"], page["has_more"], page["next_cursor"]) == ("list", False, None)


async def test_an_empty_list_is_a_list(api: Api) -> None:
    page = expect(200, await api.client.get(PAYMENTS))

    assert page == {"object": "list", "data": [], "has_more": False, "next_cursor": None}


async def test_pages_neither_repeat_nor_skip_though_payments_come_in_between(api: Api) -> None:
    first_made = {(await api.create())["id"] for _ in range(12)}
    walked: list[str] = []
    query: dict[str, Any] = {"limit": 5}

    while True:
        page = expect(200, await api.client.get(PAYMENTS, params=query))
        walked += [payment["id"] for payment in page["data"]]
        await api.create()
        if not page["has_more"]:
            break
        query["starting_after"] = page["next_cursor"]

    assert walked == sorted(first_made, reverse=True)
    assert page["next_cursor"] is None


async def test_ten_are_listed_unless_asked_otherwise(api: Api) -> None:
    await asyncio.gather(*(api.create() for _ in range(12)))

    assert len(await list_ids(api)) == 10
    assert len(await list_ids(api, limit=1)) == 1
    assert len(await list_ids(api, limit=100)) == 12


async def test_a_list_asked_for_wrongly_is_explained(api: Api) -> None:
    for query, message in WRONG_QUERIES.items():
        response = await api.client.get(f"{PAYMENTS}?{query}")

        assert expect_error(422, "validation_failed", response) == message
        assert response.json()["error"]["param"] == query.partition("=")[0]


async def test_a_cursor_that_names_no_payment_is_still_a_place(api: Api) -> None:
    created = (await api.create())["id"]

    assert await list_ids(api, starting_after="pay_zzzz") == [created]
    assert await list_ids(api, starting_after="pay_0000") == []


async def test_lists_can_be_narrowed_to_a_status_and_an_order(api: Api) -> None:
    pending = (await api.create(order_id="one"))["id"]
    authorized = await api.create_authorized(order_id="two")

    assert await list_ids(api, status="pending") == [pending]
    assert await list_ids(api, status="success") == [authorized]
    assert await list_ids(api, order_id="two") == [authorized]
    assert await list_ids(api, order_id="two", status="pending") == []
    assert await list_ids(api, order_id="three") == []


async def test_an_authorized_payment_is_captured_at_once_in_full(api: Api) -> None:
    payment_id = await api.create_authorized()

    captured = expect(200, await api.client.post(f"{PAYMENTS}/{payment_id}/capture"))

    assert (captured["captured"], captured["capture_status"], captured["amount_captured"]) == (True, "pending", 50_000)
    assert (captured["status"], captured["version"]) == ("success", 4)
    assert expect(200, await api.client.get(f"{PAYMENTS}/{payment_id}")) == captured


async def test_no_amount_is_all_of_it_however_it_is_said(api: Api) -> None:
    for body in (b"", b"null", b"{}", b'{"amount":null}'):
        payment_id = await api.create_authorized()

        response = await api.client.post(
            f"{PAYMENTS}/{payment_id}/capture", content=body, headers={"Content-Type": "application/json"}
        )

        assert expect(200, response)["amount_captured"] == 50_000


async def test_the_same_capture_again_answers_the_same_payment(api: Api) -> None:
    payment_id = await api.create_authorized()
    first = expect(200, await api.client.post(f"{PAYMENTS}/{payment_id}/capture"))

    again = expect(200, await api.client.post(f"{PAYMENTS}/{payment_id}/capture", json={"amount": 50_000}))
    without_amount = expect(200, await api.client.post(f"{PAYMENTS}/{payment_id}/capture"))

    assert first["amount_captured"] == 50_000
    assert again == without_amount == first


async def test_whoever_asks_for_all_after_a_part_is_not_told_yes(api: Api) -> None:
    payment_id = await api.create_authorized()
    first = expect(200, await api.client.post(f"{PAYMENTS}/{payment_id}/capture", json={"amount": 30_000}))

    again = expect(200, await api.client.post(f"{PAYMENTS}/{payment_id}/capture", json={"amount": 30_000}))
    expect_error(409, "payment_state_conflict", await api.client.post(f"{PAYMENTS}/{payment_id}/capture"))

    assert again == first


async def test_another_amount_than_was_captured_is_a_conflict(api: Api) -> None:
    payment_id = await api.create_authorized()
    await api.client.post(f"{PAYMENTS}/{payment_id}/capture", json={"amount": 30_000})

    response = await api.client.post(f"{PAYMENTS}/{payment_id}/capture", json={"amount": 30_001})

    message = expect_error(409, "payment_state_conflict", response)
    assert message == "The payment was captured before, with another amount (300.00 INR)."


async def test_more_than_was_authorized_is_refused(api: Api) -> None:
    payment_id = await api.create_authorized()

    response = await api.client.post(f"{PAYMENTS}/{payment_id}/capture", json={"amount": 50_001})

    assert "500.00 INR" in expect_error(422, "validation_failed", response)
    assert response.json()["error"]["param"] == "amount"


async def test_a_payment_that_is_not_success_yet_can_not_be_captured_and_says_what_it_is(api: Api) -> None:
    payment_id = (await api.create())["id"]

    response = await api.client.post(f"{PAYMENTS}/{payment_id}/capture")

    message = expect_error(409, "payment_state_conflict", response)
    assert message == "Only a payment that is success can be captured; this one is pending."


async def test_an_unknown_payment_can_not_be_captured(api: Api) -> None:
    expect_error(404, "not_found", await api.client.post(f"{PAYMENTS}/pay_00000/capture"))


async def test_of_concurrent_captures_of_different_amounts_one_wins(api: Api) -> None:
    payment_id = await api.create_authorized()

    responses = await asyncio.gather(
        *(
            api.client.post(f"{PAYMENTS}/{payment_id}/capture", json={"amount": amount})
            for amount in range(1_000, 1_010)
        )
    )

    assert sorted(response.status_code for response in responses) == [200] + [409] * 9
    winner = next(response.json() for response in responses if response.status_code == 200)
    assert expect(200, await api.client.get(f"{PAYMENTS}/{payment_id}")) == winner

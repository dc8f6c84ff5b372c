"""Cancelling over HTTP: before a processor, after the authorization, too late, twice; and capturing when it is over."""

import asyncio
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import text
from tests.support.api import Api, expect, expect_error, running_api
from tests.support.processing import Process

from gateway_common.clock import system_clock

PAYMENTS: Final = "/api/v1/payments"
KEY: Final = {"Idempotency-Key": "cancel-12345678"}


async def cancel(api: Api, payment_id: str, **headers: str) -> dict[str, Any]:
    response = await api.client.post(f"{PAYMENTS}/{payment_id}/cancel", headers=headers)
    cancelled: dict[str, Any] = expect(200, response)
    return cancelled


async def refuse_cancel(api: Api, payment_id: str) -> str:
    return expect_error(409, "payment_state_conflict", await api.client.post(f"{PAYMENTS}/{payment_id}/cancel"))


async def read(api: Api, payment_id: str) -> dict[str, Any]:
    payment: dict[str, Any] = expect(200, await api.client.get(f"{PAYMENTS}/{payment_id}"))
    return payment


async def count_events(api: Api, event_type: str) -> int:
    async with api.database.statement() as connection:
        query = text("SELECT count(*) FROM events WHERE type = :type")
        found: int = await connection.scalar(query, {"type": event_type})
    return found


async def test_a_pending_payment_is_cancelled_at_once_and_no_provider_ever_hears_of_it(
    api: Api, process: Process
) -> None:
    payment = await api.create()

    cancelled = await cancel(api, payment["id"])

    assert cancelled == payment | {"status": "cancelled", "version": 2, "updated_at": cancelled["updated_at"]}
    await process(payment["id"])
    assert await read(api, payment["id"]) == cancelled
    async with api.database.statement() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM simulator_operations")) == 0
    assert await count_events(api, "payment.cancelled") == 1


async def test_an_authorized_payment_is_cancelled_at_once_and_its_authorization_given_back(
    api: Api, process: Process
) -> None:
    payment_id = (await api.create())["id"]
    await process(payment_id)

    cancelled = await cancel(api, payment_id)
    assert (cancelled["status"], cancelled["captured"], cancelled["version"]) == ("cancelled", False, 4)
    await process(payment_id)

    assert (await read(api, payment_id))["status"] == "cancelled"
    async with api.database.statement() as connection:
        kinds = (await connection.scalars(text("SELECT kind FROM simulator_operations ORDER BY kind"))).all()
    assert kinds == ["authorize", "void"]


async def test_cancelling_twice_answers_the_same_payment_and_tells_of_it_once(api: Api, process: Process) -> None:
    for is_authorized in (False, True):
        payment_id = (await api.create())["id"]
        if is_authorized:
            await process(payment_id)

        first = await cancel(api, payment_id)

        assert await cancel(api, payment_id) == first
        await process(payment_id)
        assert (await cancel(api, payment_id))["status"] == "cancelled"
    assert await count_events(api, "payment.cancelled") == 2


async def test_cancelling_again_with_a_key_is_a_replay(api: Api, process: Process) -> None:
    payment_id = (await api.create())["id"]
    await process(payment_id)
    first = await api.client.post(f"{PAYMENTS}/{payment_id}/cancel", json={}, headers=KEY)
    await process(payment_id)

    again = await api.client.post(f"{PAYMENTS}/{payment_id}/cancel", json={}, headers=KEY)

    assert expect(200, again) == expect(200, first)
    assert again.headers["idempotent-replayed"] == "true"
    assert (await read(api, payment_id))["version"] == 5, "the void has been done since"
    other = (await api.create())["id"]
    expect_error(
        422, "idempotency_key_reuse", await api.client.post(f"{PAYMENTS}/{other}/cancel", json={}, headers=KEY)
    )


@pytest.mark.parametrize("is_completed", [False, True])
async def test_a_captured_payment_is_not_cancelled_and_the_refusal_says_what_to_do(
    api: Api, process: Process, *, is_completed: bool
) -> None:
    payment_id = (await api.create(capture_method="manual"))["id"]
    await process(payment_id)
    expect(200, await api.client.post(f"{PAYMENTS}/{payment_id}/capture"))
    if is_completed:
        await process(payment_id)

    assert await refuse_cancel(api, payment_id) == "The payment is success and captured: refund it instead."


async def test_a_payment_that_is_with_the_provider_can_be_cancelled_neither_way(api: Api, process: Process) -> None:
    waiting = (await api.create(vpa="pending@upi"))["id"]
    failed = (await api.create(vpa="failure@upi"))["id"]
    async with api.database.statement() as connection:
        await connection.execute(
            text("UPDATE payments SET status = 'processing', version = 2 WHERE id = :id"), {"id": waiting}
        )
    await process(failed)

    assert "is processing: whether it can be cancelled" in await refuse_cancel(api, waiting)
    assert await refuse_cancel(api, failed) == "A payment that is failed can't be cancelled."


async def test_a_cancelled_payment_is_not_captured_nor_refunded_and_the_refusals_name_its_status(
    api: Api, process: Process
) -> None:
    payment_id = (await api.create())["id"]
    await process(payment_id)
    await cancel(api, payment_id)

    for action, message in (
        ("capture", "Only a payment that is success can be captured; this one is cancelled."),
        ("refunds", "Only a captured payment can be refunded; this one is cancelled and not captured."),
    ):
        response = await api.client.post(f"{PAYMENTS}/{payment_id}/{action}")
        assert expect_error(409, "payment_state_conflict", response) == message


async def test_of_a_capture_and_a_cancel_at_once_one_wins(api: Api, process: Process) -> None:
    payment_ids = [(await api.create())["id"] for _ in range(8)]
    await asyncio.gather(*(process(payment_id) for payment_id in payment_ids))

    for payment_id in payment_ids:
        responses = await asyncio.gather(
            *(api.client.post(f"{PAYMENTS}/{payment_id}/{action}") for action in ("capture", "cancel"))
        )

        assert sorted(response.status_code for response in responses) == [200, 409]
        payment = await read(api, payment_id)
        assert payment == next(response.json() for response in responses if response.status_code == 200)
        assert payment["captured"] == (payment["status"] == "success")


async def test_cancelling_frees_the_order_for_another_payment_at_once(api: Api, process: Process) -> None:
    order = expect(201, await api.client.post("/api/v1/orders", json={"amount": 50_000, "currency": "INR"}))
    for is_authorized in (False, True):
        payment = await api.create(order_id=order["id"])
        if is_authorized:
            await process(payment["id"])
        await cancel(api, payment["id"])

        freed = expect(200, await api.client.get(f"/api/v1/orders/{order['id']}"))
        assert (freed["status"], freed["payment_id"]) == ("attempted", None)
    expect(200, await api.client.post(f"{PAYMENTS}/{(await api.create(order_id=order['id']))['id']}/cancel"))


async def test_nothing_is_sent_to_cancel_with_and_what_is_unknown_is_refused(api: Api) -> None:
    payment_id = (await api.create())["id"]

    response = await api.client.post(f"{PAYMENTS}/{payment_id}/cancel", json={"reason": "x"})

    assert expect_error(422, "validation_failed", response) == "reason: is not a field of this request."
    assert (await read(api, payment_id))["status"] == "pending"
    expect_error(404, "not_found", await api.client.post(f"{PAYMENTS}/pay_unknown/cancel"))


async def test_an_authorization_that_is_over_is_not_captured_though_no_processor_has_noticed(
    api: Api, process: Process, database_url: str, redis_url: str, master_key: str
) -> None:
    payment_id = (await api.create())["id"]
    await process(payment_id)
    capture = f"{PAYMENTS}/{payment_id}/capture"

    async with running_api(
        database_url, redis_url, master_key, clock=lambda: system_clock() + timedelta(days=7, seconds=1)
    ) as later:
        response = await later.client.post(capture, headers=KEY)
        message = expect_error(409, "payment_state_conflict", response)
        assert message == "The payment is success, but its authorization has expired: it can't be captured."
        captured = expect(200, await api.client.post(capture, json={"amount": 30_000}, headers=KEY))
        again = await later.client.post(capture, json={"amount": 30_000})

    assert expect(200, again) == captured, "what was captured in time stays so"


async def test_a_part_is_captured_once_and_the_rest_is_not_to_be_had_any_more(api: Api, process: Process) -> None:
    payment_id = (await api.create())["id"]
    await process(payment_id)
    capture = f"{PAYMENTS}/{payment_id}/capture"
    first = expect(200, await api.client.post(capture, json={"amount": 30_000}))
    await process(payment_id)

    again = expect(200, await api.client.post(capture, json={"amount": 30_000}))
    response = await api.client.post(capture, json={"amount": 20_000})

    assert (first["capture_status"], again["capture_status"]) == ("pending", "completed")
    assert again["amount_captured"] == 30_000
    message = expect_error(409, "payment_state_conflict", response)
    assert message == "The payment was captured before, with another amount (300.00 INR)."

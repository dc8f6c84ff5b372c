"""Authorizations that nobody captures: they expire by the business clock and are given back, whoever races that."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.support.merchants import Merchant
from tests.support.processing import new_processor, work_off
from tests.support.providers import ScriptedProvider
from tests.support.records import (
    make_due,
    read_answers,
    read_event_types,
    read_lease,
    read_order,
    read_payment,
    read_simulator_requests,
    store_order,
)

from gateway_common.clock import system_clock
from gateway_common.db.database import Database
from gateway_common.errors import PaymentStateError
from gateway_common.orders.model import OrderStatus
from gateway_common.payments.model import CaptureStatus, PaymentStatus, VoidStatus, decide_capture
from gateway_common.payments.store import PaymentChange, save_payment
from gateway_common.queue.ringer import Ringer
from gateway_processor.providers.base import Approved, Declined, Unknown

TTL = timedelta(days=7)
DAY_SECONDS = 24 * 3600


def a_week_on() -> datetime:
    return system_clock() + TTL + timedelta(seconds=1)


async def authorize(merchant: Merchant, database: Database, ringer: Ringer, order_id: str | None = None) -> str:
    """A payment that the provider said yes to, its authorization due to be looked at as if the week had passed."""
    payment_id = await merchant.create(order_id=order_id)
    await work_off(new_processor(database, ringer), database, payment_id)
    assert 6.9 * DAY_SECONDS < (await read_lease(database, payment_id))["due_in_seconds"] <= 7 * DAY_SECONDS
    await make_due(database, payment_id)
    return payment_id


async def test_an_authorization_expires_is_given_back_and_its_order_may_be_paid_anew(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    order = await store_order(database)
    payment_id = await authorize(merchant, database, ringer, order.id)
    assert (await read_order(database, order.id)).status is OrderStatus.PAID
    processor = new_processor(database, ringer, clock=a_week_on)

    await processor.process(payment_id)

    expired = await read_payment(database, payment_id)
    assert (expired.status, expired.void_status) == (PaymentStatus.EXPIRED, VoidStatus.PENDING)
    assert payment_id in ringer._waiting, "its void is rung for at once"
    freed = await read_order(database, order.id)
    assert (freed.status, freed.payment_id, freed.version) == (OrderStatus.ATTEMPTED, None, 4)

    await work_off(processor, database, payment_id)
    done = await read_payment(database, payment_id)
    assert (done.status, done.void_status) == (PaymentStatus.EXPIRED, VoidStatus.COMPLETED)
    assert await read_simulator_requests(database, payment_id) == {"authorize": 1, "void": 1}
    assert (await read_event_types(database, payment_id)).count("payment.expired") == 1
    assert (await read_lease(database, payment_id))["due_in_seconds"] is None

    second = await merchant.create(order_id=order.id)
    await work_off(new_processor(database, ringer), database, second)
    paid = await read_order(database, order.id)
    assert (paid.status, paid.payment_id, paid.attempts) == (OrderStatus.PAID, second, 2)


async def test_a_look_that_comes_too_early_changes_nothing_and_comes_again_in_time(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorize(merchant, database, ringer)
    before = await read_payment(database, payment_id)

    await new_processor(database, ringer, clock=lambda: a_week_on() - timedelta(hours=1)).process(payment_id)

    assert await read_payment(database, payment_id) == before
    lease = await read_lease(database, payment_id)
    assert 3_500 < lease["due_in_seconds"] <= 3_600
    assert lease["worker_id"] is None


async def test_many_rings_for_one_expiry_end_it_once_and_void_it_once(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorize(merchant, database, ringer)
    processors = [new_processor(database, ringer, clock=a_week_on, worker_id=f"wrk_{number}") for number in range(3)]

    for _ in range(2):
        await asyncio.gather(*(each.process(payment_id) for each in processors for _ in range(5)))

    payment = await read_payment(database, payment_id)
    assert (payment.status, payment.void_status, payment.version) == (PaymentStatus.EXPIRED, VoidStatus.COMPLETED, 5)
    assert (await read_event_types(database, payment_id)).count("payment.expired") == 1
    assert (await read_simulator_requests(database, payment_id))["void"] == 1


async def test_a_capture_that_is_decided_while_the_expiry_waits_for_the_row_wins(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorize(merchant, database, ringer)
    before = await read_payment(database, payment_id)
    decided = decide_capture(before, None, system_clock())
    assert decided is not None
    processor = new_processor(database, ringer, clock=a_week_on)

    async with database.transaction() as connection:
        await save_payment(connection, PaymentChange(before=before, after=decided, due_in_seconds=0))
        expiring = asyncio.create_task(processor.process(payment_id))
        await asyncio.sleep(0.2)
        assert not expiring.done()
    await expiring

    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS
    await work_off(processor, database, payment_id)
    payment = await read_payment(database, payment_id)
    assert (payment.status, payment.capture_status) == (PaymentStatus.SUCCESS, CaptureStatus.COMPLETED)
    assert "payment.expired" not in await read_event_types(database, payment_id)
    assert await read_simulator_requests(database, payment_id) == {"authorize": 1, "capture": 1}


async def test_of_expiry_and_capture_at_once_one_wins_and_nothing_is_stuck(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_ids = [await authorize(merchant, database, ringer) for _ in range(16)]
    processor = new_processor(database, ringer, clock=a_week_on)

    async def capture(payment_id: str) -> bool:
        try:
            await merchant.capture(payment_id)
        except PaymentStateError:
            return False
        return True

    captured = await asyncio.gather(
        *(capture(payment_id) for payment_id in payment_ids),
        *(processor.process(payment_id) for payment_id in payment_ids),
    )
    await asyncio.gather(*(work_off(processor, database, payment_id) for payment_id in payment_ids))

    for payment_id, was_captured in zip(payment_ids, captured[:16], strict=True):
        payment = await read_payment(database, payment_id)
        expected = (
            (PaymentStatus.SUCCESS, CaptureStatus.COMPLETED, None)
            if was_captured
            else (PaymentStatus.EXPIRED, None, VoidStatus.COMPLETED)
        )
        assert (payment.status, payment.capture_status, payment.void_status) == expected
        lease = await read_lease(database, payment_id)
        assert (lease["worker_id"], lease["due_in_seconds"]) == (None, None)


async def test_a_capture_that_the_provider_refused_leaves_an_authorization_that_expires(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorize(merchant, database, ringer)
    await merchant.capture(payment_id)
    provider = ScriptedProvider(Declined("capture_declined", "No."), Approved())
    await new_processor(database, ringer, provider).process(payment_id)
    assert (await read_payment(database, payment_id)).capture_status is CaptureStatus.FAILED
    await make_due(database, payment_id)

    await work_off(new_processor(database, ringer, provider, clock=a_week_on), database, payment_id)

    payment = await read_payment(database, payment_id)
    assert (payment.status, payment.void_status) == (PaymentStatus.EXPIRED, VoidStatus.COMPLETED)
    assert [call for call, *_ in provider.asked] == ["capture", "void"]


@pytest.mark.parametrize("by", ["the merchant", "time"])
async def test_a_void_that_the_provider_refuses_needs_attention_and_is_not_tried_again(
    database: Database, ringer: Ringer, merchant: Merchant, by: str
) -> None:
    payment_id = await authorize(merchant, database, ringer)
    provider = ScriptedProvider(Declined("void_refused", "Too late."))
    processor = new_processor(database, ringer, provider, clock=a_week_on)
    if by == "the merchant":
        await merchant.cancel(payment_id)
    else:
        await processor.process(payment_id)

    await work_off(processor, database, payment_id)

    payment = await read_payment(database, payment_id)
    assert (payment.void_status, payment.needs_attention) == (VoidStatus.FAILED, True)
    assert payment.status is (PaymentStatus.CANCELLED if by == "the merchant" else PaymentStatus.EXPIRED)
    assert provider.asked == [("void", f"{payment_id}:void", 50_000)]
    assert (await read_answers(database, payment_id))[-1] == (2, "void", "declined", "void_refused")
    assert (await read_lease(database, payment_id))["due_in_seconds"] is None


async def test_a_void_without_an_answer_is_asked_after_and_not_sent_again(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorize(merchant, database, ringer)
    await merchant.cancel(payment_id)
    provider = ScriptedProvider(Unknown("no answer"), Approved())
    processor = new_processor(database, ringer, provider)

    await processor.process(payment_id)
    assert (await read_payment(database, payment_id)).void_status is VoidStatus.PENDING
    await make_due(database, payment_id)
    await processor.process(payment_id)

    assert (await read_payment(database, payment_id)).void_status is VoidStatus.COMPLETED
    assert [call for call, *_ in provider.asked] == ["void", "status"]


async def test_a_cancelled_authorization_is_given_back_in_full_and_its_order_is_free_at_once(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    order = await store_order(database, reference="cart-7")
    payment_id = await authorize(merchant, database, ringer, "cart-7")

    await merchant.cancel(payment_id)

    freed = await read_order(database, order.id)
    assert (freed.status, freed.payment_id) == (OrderStatus.ATTEMPTED, None)
    await work_off(new_processor(database, ringer), database, payment_id)
    payment = await read_payment(database, payment_id)
    assert payment == replace(payment, status=PaymentStatus.CANCELLED, void_status=VoidStatus.COMPLETED)
    assert await read_simulator_requests(database, payment_id) == {"authorize": 1, "void": 1}
    assert (await read_event_types(database, payment_id)).count("payment.cancelled") == 1


async def test_of_a_cancel_and_a_processor_at_once_one_wins(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_ids = [await merchant.create() for _ in range(16)]
    processor = new_processor(database, ringer)

    async def cancel(payment_id: str) -> bool:
        try:
            await merchant.cancel(payment_id)
        except PaymentStateError:
            return False
        return True

    cancelled = await asyncio.gather(
        *(cancel(payment_id) for payment_id in payment_ids),
        *(processor.process(payment_id) for payment_id in payment_ids),
    )
    await asyncio.gather(*(work_off(processor, database, payment_id) for payment_id in payment_ids))

    for payment_id, was_cancelled in zip(payment_ids, cancelled[:16], strict=True):
        payment = await read_payment(database, payment_id)
        assert payment.status is (PaymentStatus.CANCELLED if was_cancelled else PaymentStatus.SUCCESS)
        asked = await read_simulator_requests(database, payment_id)
        assert asked == ({} if was_cancelled else {"authorize": 1})

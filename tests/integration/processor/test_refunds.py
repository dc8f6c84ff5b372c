"""Refunds as the processor works them off: behind their capture, in order, one at a time; what a failure gives back."""

import asyncio
from datetime import timedelta

from tests.support.merchants import Merchant
from tests.support.processing import new_processor, work_off
from tests.support.providers import ScriptedProvider
from tests.support.records import read_event_types, read_lease, read_payment, read_refunds, read_rows
from tests.support.waiting import wait_until

from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.payments.model import CaptureStatus, PaymentStatus
from gateway_common.queue.ringer import Ringer
from gateway_processor.providers.base import Approved, Declined, Unknown


async def authorized(merchant: Merchant, database: Database, ringer: Ringer, *, captured: bool = False) -> str:
    """Bring a payment to success, and through its capture if asked; the provider is not the test's."""
    payment_id = await merchant.create()
    processor = new_processor(database, ringer, ScriptedProvider(Approved(), Approved()))
    await processor.process(payment_id)
    if captured:
        await merchant.capture(payment_id)
        await processor.process(payment_id)
    return payment_id


async def test_a_refund_created_while_the_capture_is_with_the_provider_waits_for_it(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorized(merchant, database, ringer)
    await merchant.capture(payment_id)
    provider = ScriptedProvider()
    processor = new_processor(database, ringer, provider)
    capturing = asyncio.create_task(processor.process(payment_id))
    await wait_until(lambda: len(provider.asked) == 1)

    refund_id = await merchant.refund(payment_id, 2_000)
    await processor.process(payment_id)
    assert provider.asked == [("capture", f"{payment_id}:capture:1", 50_000)], "one operation at a time"
    provider.answer(Approved())
    await capturing
    provider.answer(Approved())
    await work_off(processor, database, payment_id)

    assert provider.asked[1:] == [("refund", refund_id, 2_000)]
    payment = await read_payment(database, payment_id)
    assert (payment.capture_status, payment.amount_refunded_minor) == (CaptureStatus.COMPLETED, 2_000)
    assert (await read_event_types(database, payment_id)).count("payment.captured") == 1


async def test_refunds_that_wait_for_a_declined_capture_fail_with_it_and_it_can_be_tried_again(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorized(merchant, database, ringer)
    await merchant.capture(payment_id, 30_000)
    await merchant.refund(payment_id, 1_000)
    await merchant.refund(payment_id, 2_000)
    provider = ScriptedProvider(Declined("capture_declined", "The provider did not take it."), Approved())
    processor = new_processor(database, ringer, provider)

    await processor.process(payment_id)

    payment = await read_payment(database, payment_id)
    assert (payment.captured, payment.capture_status) == (False, CaptureStatus.FAILED)
    assert (payment.amount_captured_minor, payment.amount_refund_reserved_minor) == (0, 0)
    assert (payment.status, payment.error_code) == (PaymentStatus.SUCCESS, "capture_declined")
    assert await read_refunds(database, payment_id) == [("failed", 1_000), ("failed", 2_000)]
    assert await _transactions_of_last_changes(database) == 1, "payment, refunds and events changed together"
    assert (await read_lease(database, payment_id))["due_in_seconds"] > 6 * 24 * 3600, "only its authorization expires"

    await merchant.capture(payment_id, 40_000)
    await work_off(processor, database, payment_id)
    assert provider.asked == [
        ("capture", f"{payment_id}:capture:1", 30_000),
        ("capture", f"{payment_id}:capture:2", 40_000),
    ]
    captured = await read_payment(database, payment_id)
    assert (captured.capture_status, captured.amount_captured_minor) == (CaptureStatus.COMPLETED, 40_000)
    assert captured.error_code is None
    types = await read_event_types(database, payment_id)
    assert [types.count(each) for each in ("payment.capture_failed", "refund.failed", "payment.captured")] == [1, 2, 1]


async def _transactions_of_last_changes(database: Database) -> int:
    query = """
    SELECT DISTINCT xmin::text FROM payments
    UNION SELECT xmin::text FROM refunds
    UNION SELECT xmin::text FROM events WHERE type IN ('payment.capture_failed', 'refund.failed')
    """
    return len(await read_rows(database, query))


async def test_a_refund_created_while_its_capture_is_declined_fails_too(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorized(merchant, database, ringer)
    await merchant.capture(payment_id)
    provider = ScriptedProvider()
    processor = new_processor(database, ringer, provider)
    capturing = asyncio.create_task(processor.process(payment_id))
    await wait_until(lambda: len(provider.asked) == 1)

    await merchant.refund(payment_id, 500)
    provider.answer(Declined("capture_declined", "The provider did not take it."))
    await capturing

    assert await read_refunds(database, payment_id) == [("failed", 500)]
    assert (await read_payment(database, payment_id)).amount_refund_reserved_minor == 0


async def test_a_refund_that_fails_gives_its_reserve_back(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorized(merchant, database, ringer, captured=True)
    processor = new_processor(database, ringer)
    await merchant.refund(payment_id, 49_913)

    await work_off(processor, database, payment_id)
    payment = await read_payment(database, payment_id)
    assert (payment.amount_refunded_minor, payment.amount_refund_reserved_minor) == (0, 0)
    await merchant.refund(payment_id)
    await work_off(processor, database, payment_id)

    assert await read_refunds(database, payment_id) == [("failed", 49_913), ("processed", 50_000)]
    assert (await read_payment(database, payment_id)).amount_refunded_minor == 50_000
    types = await read_event_types(database, payment_id)
    assert [types.count(each) for each in ("refund.created", "refund.failed", "refund.processed")] == [2, 1, 1]


async def test_refunds_are_worked_off_in_the_order_they_were_asked_for_one_at_a_time(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorized(merchant, database, ringer)
    await merchant.capture(payment_id)
    refunds = []
    for amount in (300, 100, 200):
        refunds.append(("refund", await merchant.refund(payment_id, amount), amount))
        await asyncio.sleep(0.002)
    provider = ScriptedProvider()
    processor = new_processor(database, ringer, provider)

    for done in range(4):
        steps = [asyncio.create_task(processor.process(payment_id)) for _ in range(5)]
        await wait_until(lambda asked=done + 1: len(provider.asked) == asked)  # type: ignore[misc]
        provider.answer(Approved())
        await asyncio.gather(*steps)

    assert provider.asked == [("capture", f"{payment_id}:capture:1", 50_000), *refunds]
    assert (await read_payment(database, payment_id)).amount_refunded_minor == 600
    assert (await read_lease(database, payment_id))["due_in_seconds"] is None


async def test_a_refund_under_way_is_finished_before_an_earlier_numbered_one_is_begun(
    database: Database, ringer: Ringer, merchant: Merchant, keyring: Keyring
) -> None:
    payment_id = await authorized(merchant, database, ringer, captured=True)
    first = await merchant.refund(payment_id, 100)
    provider = ScriptedProvider(Unknown("no answer"), Approved(), Approved())
    processor = new_processor(database, ringer, provider)
    await processor.process(payment_id)

    # An API server whose clock is behind gives a later refund the smaller id.
    behind = Merchant(database, keyring, ringer, clock=lambda: system_clock() - timedelta(minutes=1))
    second = await behind.refund(payment_id, 200)
    assert second < first
    await work_off(processor, database, payment_id)

    assert provider.asked == [("refund", first, 100), ("status", first, None), ("refund", second, 200)]

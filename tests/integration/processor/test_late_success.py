"""A yes after the end: told once, kept if the merchant wants it and its order is open, given back at once if not."""

import asyncio
from typing import Any

import pytest
from tests.support.callbacks import call_back, read_outcomes
from tests.support.merchants import Merchant
from tests.support.processing import new_processor, work_off
from tests.support.providers import ScriptedProvider
from tests.support.records import (
    make_due,
    read_audit,
    read_balances,
    read_event_types,
    read_events,
    read_order,
    read_payment,
    store_order,
    write_rows,
)

from gateway_common.clock import system_clock
from gateway_common.db.database import Database
from gateway_common.errors import OrderStateError
from gateway_common.merchants.model import LateSuccess
from gateway_common.merchants.seed import TEST_MERCHANT_ID
from gateway_common.merchants.store import save_late_success
from gateway_common.orders.model import OrderStatus
from gateway_common.payments.model import CaptureStatus, Payment, PaymentStatus, VoidStatus
from gateway_common.queue.ringer import Ringer
from gateway_processor.callbacks import CallbackHandler
from gateway_processor.providers.base import Approved, Declined, Expired, Outcome, Pending, Unknown

DECLINED = Declined("payment_declined", "The bank said no.")
YES = Approved("ref_1")
ENDED = ["payment.created", "payment.failed", "payment.processing"]
GIVEN_BACK = sorted([*ENDED, "payment.late_success", "payment.cancelled"])


@pytest.fixture
def handler(database: Database, ringer: Ringer) -> CallbackHandler:
    return CallbackHandler(database, ringer, system_clock)


async def fail(database: Database, ringer: Ringer, merchant: Merchant, **values: Any) -> str:
    """A payment that the provider said no to."""
    payment_id = await merchant.create(**values)
    await new_processor(database, ringer, ScriptedProvider(DECLINED)).process(payment_id)
    return payment_id


async def succeed_late(
    database: Database, ringer: Ringer, handler: CallbackHandler, payment_id: str, *after: Outcome
) -> Payment:
    """The provider calls, says yes when it is asked, and answers what is asked of it after that."""
    await call_back(database, payment_id)
    await handler.handle()
    await work_off(new_processor(database, ringer, ScriptedProvider(YES, *after)), database, payment_id)
    return await read_payment(database, payment_id)


async def want(database: Database, late_success: LateSuccess) -> None:
    await write_rows(database, "UPDATE merchants SET late_success = :wanted", wanted=late_success)


async def test_it_is_kept_and_told_once_however_often_the_provider_calls(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler
) -> None:
    payment_id = await fail(database, ringer, merchant)

    payment = await succeed_late(database, ringer, handler, payment_id)
    for _ in range(3):
        await call_back(database, payment_id)
        await handler.handle()

    assert (payment.status, payment.provider_reference, payment.error_code) == (PaymentStatus.SUCCESS, "ref_1", None)
    assert await read_event_types(database, payment_id) == sorted([*ENDED, "payment.late_success"])
    assert await read_payment(database, payment_id) == payment
    assert await read_outcomes(database) == ["asked", "resting", "resting", "resting"]
    assert await read_audit(database) == []


async def test_it_can_be_captured_and_refunded_like_any_other(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler
) -> None:
    payment_id = await fail(database, ringer, merchant)
    await succeed_late(database, ringer, handler, payment_id)

    await merchant.capture(payment_id)
    await merchant.refund(payment_id, 1_000)
    await work_off(new_processor(database, ringer, ScriptedProvider(YES, YES)), database, payment_id)

    payment = await read_payment(database, payment_id)
    assert (payment.amount_captured_minor, payment.amount_refunded_minor) == (50_000, 1_000)
    assert await read_audit(database) == []


async def test_with_automatic_capture_its_money_is_taken(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler
) -> None:
    payment_id = await fail(database, ringer, merchant, capture_method="automatic")

    payment = await succeed_late(database, ringer, handler, payment_id, YES)

    assert (payment.capture_status, payment.amount_captured_minor) == (CaptureStatus.COMPLETED, 50_000)
    assert "payment.captured" in await read_event_types(database, payment_id)
    assert await read_audit(database) == []


@pytest.mark.parametrize("capture_method", ["manual", "automatic"])
async def test_a_merchant_that_wants_none_has_it_given_back_at_once(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler, capture_method: str
) -> None:
    async with database.statement() as connection:
        await save_late_success(connection, TEST_MERCHANT_ID, LateSuccess.REFUND)
    payment_id = await fail(database, ringer, merchant, capture_method=capture_method)

    payment = await succeed_late(database, ringer, handler, payment_id, YES)

    assert (payment.status, payment.void_status) == (PaymentStatus.CANCELLED, VoidStatus.COMPLETED)
    assert (payment.captured, payment.amount_captured_minor) == (False, 0)
    assert await read_event_types(database, payment_id) == GIVEN_BACK
    statuses = {kind: shown["status"] for kind, shown in await read_events(database, payment_id)}
    assert (statuses["payment.late_success"], statuses["payment.cancelled"]) == ("success", "cancelled")
    assert await read_balances(database) == {}
    await call_back(database, payment_id)
    await handler.handle()
    assert (await read_outcomes(database))[-1] == "resting"
    assert await read_audit(database) == []


async def test_an_order_that_is_free_is_paid_by_it(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler
) -> None:
    order = await store_order(database)
    payment_id = await fail(database, ringer, merchant, order_id=order.id)

    await succeed_late(database, ringer, handler, payment_id)

    paid = await read_order(database, order.id)
    assert (paid.status, paid.payment_id) == (OrderStatus.PAID, payment_id)
    assert "order.paid" in await read_event_types(database, order.id)
    with pytest.raises(OrderStateError):
        await merchant.create(order_id=order.id)
    assert await read_audit(database) == []


@pytest.mark.parametrize("other_is", [PaymentStatus.SUCCESS, PaymentStatus.PROCESSING, PaymentStatus.PENDING])
@pytest.mark.parametrize("capture_method", ["manual", "automatic"])
async def test_an_order_that_another_payment_has_taken_keeps_that_one_and_this_is_given_back(
    database: Database,
    ringer: Ringer,
    merchant: Merchant,
    handler: CallbackHandler,
    *,
    other_is: PaymentStatus,
    capture_method: str,
) -> None:
    order = await store_order(database)
    payment_id = await fail(database, ringer, merchant, order_id=order.id, capture_method=capture_method)
    other = await merchant.create(order_id=order.id)
    if other_is is not PaymentStatus.PENDING:
        first = YES if other_is is PaymentStatus.SUCCESS else Pending()
        await new_processor(database, ringer, ScriptedProvider(first)).process(other)
    before = await read_order(database, order.id)

    payment = await succeed_late(database, ringer, handler, payment_id, YES)

    assert (payment.status, payment.void_status) == (PaymentStatus.CANCELLED, VoidStatus.COMPLETED)
    assert await read_event_types(database, payment_id) == GIVEN_BACK
    assert (await read_payment(database, other)).status is other_is
    assert await read_order(database, order.id) == before
    assert await read_audit(database) == []


async def test_a_new_payment_of_the_order_and_the_late_one_never_both_get_it(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler
) -> None:
    async def race() -> bool:
        order = await store_order(database)
        late = await fail(database, ringer, merchant, order_id=order.id)
        await call_back(database, late)
        await handler.handle()
        processor = new_processor(database, ringer, ScriptedProvider(YES, YES))
        _, created = await asyncio.gather(
            processor.process(late), merchant.create(order_id=order.id), return_exceptions=True
        )
        await work_off(processor, database, late)
        payment, taken = await read_payment(database, late), await read_order(database, order.id)
        if isinstance(created, OrderStateError):
            assert (payment.status, taken.payment_id) == (PaymentStatus.SUCCESS, late)
            return True
        assert isinstance(created, str), created
        assert (payment.status, taken.payment_id) == (PaymentStatus.CANCELLED, created)
        return False

    assert len([await race() for _ in range(12)]) == 12
    assert await read_audit(database) == []


async def test_it_may_follow_an_expired_request_and_a_cancellation(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler
) -> None:
    expired = await merchant.create()
    await new_processor(database, ringer, ScriptedProvider(Expired())).process(expired)

    payment = await succeed_late(database, ringer, handler, expired)

    assert payment.status is PaymentStatus.SUCCESS
    assert "payment.late_success" in await read_event_types(database, expired)
    assert await read_audit(database) == []


async def test_a_payment_that_nobody_was_asked_for_can_not_succeed(
    database: Database, merchant: Merchant, handler: CallbackHandler
) -> None:
    payment_id = await merchant.create()
    await merchant.cancel(payment_id)

    await call_back(database, payment_id)
    await handler.handle()

    assert await read_outcomes(database) == ["unrelated"]
    assert (await read_payment(database, payment_id)).status is PaymentStatus.CANCELLED


async def test_giving_it_back_is_another_request_than_the_one_that_the_provider_refused(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    await want(database, LateSuccess.REFUND)
    payment_id = await merchant.create()
    waits = Pending(next_action={"type": "upi_qr"}, expires_at=system_clock())
    paid = Declined("approved", "The customer has paid.")
    provider = ScriptedProvider(waits, waits, paid, YES, YES)

    await work_off(new_processor(database, ringer, provider), database, payment_id)

    payment = await read_payment(database, payment_id)
    assert (payment.status, payment.void_status) == (PaymentStatus.CANCELLED, VoidStatus.COMPLETED)
    assert [call for call, *_ in provider.asked] == ["authorize", "status", "void", "status", "void"]
    refused, done = (key for call, key, _ in provider.asked if call == "void")
    assert refused != done, "under the same key a provider repeats what it answered first"
    assert await read_audit(database) == []


async def test_who_looked_at_it_is_needed_no_longer_when_the_provider_says_no_again(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler
) -> None:
    payment_id = await fail(database, ringer, merchant)
    await call_back(database, payment_id)
    await handler.handle()
    await write_rows(database, "UPDATE payments SET operation_attempt = 20")
    await new_processor(database, ringer, ScriptedProvider(Unknown("no answer"))).process(payment_id)
    assert (await read_payment(database, payment_id)).needs_attention

    await make_due(database, payment_id)
    await new_processor(database, ringer, ScriptedProvider(DECLINED)).process(payment_id)

    payment = await read_payment(database, payment_id)
    assert (payment.status, payment.has_news, payment.needs_attention) == (PaymentStatus.FAILED, False, False)


async def test_an_order_that_is_not_the_payments_any_more_is_an_error_and_not_looked_at_for_ever(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    order = await store_order(database)
    payment_id = await merchant.create(order_id=order.id)
    await write_rows(database, "UPDATE orders SET payment_id = NULL")

    with pytest.raises(OrderStateError):
        async with asyncio.timeout(3):
            await new_processor(database, ringer, ScriptedProvider(YES)).process(payment_id)

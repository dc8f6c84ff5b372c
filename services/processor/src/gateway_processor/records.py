"""Writes what was concluded of a payment: the payment, its refunds, its order, events, money and answer, together."""

from collections.abc import Sequence
from typing import Final

from gateway_common.clock import Clock
from gateway_common.db.database import Connection, Database
from gateway_common.db.gather import Gatherer
from gateway_common.errors import OrderStateError
from gateway_common.events.model import Event, EventType
from gateway_common.events.store import insert_events
from gateway_common.ledger.store import insert_postings
from gateway_common.merchants.model import LateSuccess
from gateway_common.merchants.store import get_merchant
from gateway_common.orders.model import is_free, pay_order, pay_order_late, release_order
from gateway_common.orders.store import find_order, lock_order, save_order
from gateway_common.payments.model import UNDER_WAY, Operation, Payment, PaymentStatus, ProviderAnswer
from gateway_common.payments.queue_store import Saved, record_payments
from gateway_common.payments.store import PaymentChange
from gateway_common.queue.ringer import Ringer
from gateway_common.refunds.model import post_settled, refund_event
from gateway_common.refunds.store import list_open_refunds, save_refund
from gateway_processor.outcomes import Conclusion, LateTerms, fail_refund, order_event
from gateway_processor.providers.base import Declined
from gateway_processor.steps import OnStep, Step, pass_by

_CAPTURE_FAILED: Final = Declined("capture_failed", "The payment's capture failed, so there is nothing to refund.")


class Recorder:
    """Records conclusions, guarded by the fence. Those of payments alone are gathered into one statement."""

    def __init__(self, database: Database, ringer: Ringer, clock: Clock, on_step: OnStep = pass_by) -> None:
        self._database = database
        self._ringer = ringer
        self._clock = clock
        self._on_step = on_step
        self._records = Gatherer(self._record_batch)

    async def save(self, before: Payment, conclusion: Conclusion, answer: ProviderAnswer | None) -> bool:
        """Write it and give the lease back; False if the payment is no longer what was decided on."""
        after = conclusion.payment
        change = PaymentChange(
            before=before,
            after=after,
            events=conclusion.events,
            postings=conclusion.postings,
            answer=answer,
            due_in_seconds=conclusion.due_in_seconds,
        )
        try:
            if _is_alone(before, conclusion):
                saved = await self._records.submit(change)
            else:
                saved = await self._save_together(change, conclusion)
        except OrderStateError:
            if before.status in UNDER_WAY:
                # Its order is its own: deciding again would not help.
                raise
            # The order of a late success went to another payment since it was looked at: decide again.
            return False
        if saved.deliveries:
            self._ringer.ring_webhooks()
        if saved.applied and conclusion.due_in_seconds == 0:
            self._ringer.ring_payment(after.id, after.traceparent)
        return saved.applied

    async def find_late_terms(self, payment: Payment) -> LateTerms:
        """What becomes of the payment if it succeeds late: the merchant's policy, and whether its order is free."""
        async with self._database.transaction() as connection:
            merchant = await get_merchant(connection, payment.merchant_id)
            order = None
            if payment.bound_order_id is not None:
                order = await find_order(
                    connection, payment.bound_order_id, merchant_id=payment.merchant_id, livemode=payment.livemode
                )
        keep = merchant.late_success is LateSuccess.KEEP and (order is None or is_free(order))
        return LateTerms(keep=keep)

    async def _save_together(self, change: PaymentChange, conclusion: Conclusion) -> Saved:
        """The payment and what goes with it in one transaction. Its locks: payment, refunds, order, in this order."""
        async with self._database.transaction() as connection:
            [saved] = await record_payments(connection, [change])
            if not saved.applied:
                return saved
            events = list(conclusion.refund_events)
            if conclusion.refund is not None:
                await save_refund(connection, conclusion.refund)
            elif _lost_its_capture(change.before, change.after):
                events += await self._fail_waiting_refunds(connection, change.after)
            if _touches_order(change.before, change.after):
                events += await self._settle_order(connection, change)
            deliveries = await insert_events(connection, events) if events else 0
            operation = change.answer.operation if change.answer else Operation.EXPIRE
            self._on_step(operation, Step.COMMITTING, change.before)
        return Saved(applied=True, deliveries=saved.deliveries + deliveries)

    async def _fail_waiting_refunds(self, connection: Connection, payment: Payment) -> list[Event]:
        """A refund that waited for a capture that failed fails with it, and its hold is released."""
        now = self._clock()
        failed = [
            fail_refund(refund, now, _CAPTURE_FAILED) for refund in await list_open_refunds(connection, payment.id)
        ]
        for refund in failed:
            await save_refund(connection, refund)
        await insert_postings(connection, [post_settled(refund, now) for refund in failed])
        return [refund_event(EventType.REFUND_FAILED, refund, now, payment.traceparent) for refund in failed]

    async def _settle_order(self, connection: Connection, change: PaymentChange) -> list[Event]:
        """The order is paid with its payment, or is free again for another; OrderStateError if a late success finds
        it taken.
        """
        now, payment = self._clock(), change.after
        order = await lock_order(connection, payment.bound_order_id or "")
        if payment.status is PaymentStatus.SUCCESS:
            pay = pay_order if change.before.status in UNDER_WAY else pay_order_late
            paid = pay(order, payment.id, now)
            await save_order(connection, paid)
            return [order_event(paid, now, payment.traceparent)]
        released = release_order(order, payment.id, now)
        if released is not None:
            await save_order(connection, released)
        return []

    async def _record_batch(self, changes: Sequence[PaymentChange]) -> list[Saved]:
        async with self._database.statement() as connection:
            return await record_payments(connection, changes)


def _is_alone(before: Payment, conclusion: Conclusion) -> bool:
    """Whether the payment is all that changes."""
    return conclusion.refund is None and not (
        (_lost_its_capture(before, conclusion.payment) and before.has_open_refund)
        or _touches_order(before, conclusion.payment)
    )


def _lost_its_capture(before: Payment, after: Payment) -> bool:
    return before.captured and not after.captured


def _touches_order(before: Payment, after: Payment) -> bool:
    return after.bound_order_id is not None and before.status is not after.status

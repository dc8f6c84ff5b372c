"""Looks at what providers called about, and has the payments asked about. Safe in any number of processes.

A callback only says where to look: it is handled as soon as its payment is due for a question to the provider.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from gateway_common.callbacks.model import CallbackOutcome, DueCallback, HandledCallback
from gateway_common.callbacks.store import (
    delete_old_callbacks,
    lock_due_callbacks,
    measure_due_callbacks,
    record_callbacks,
)
from gateway_common.clock import Clock
from gateway_common.db.database import Database
from gateway_common.logs import get_logger
from gateway_common.payments.endings import hear_news
from gateway_common.payments.model import Payment
from gateway_common.payments.queue_store import measure_payments_needing_attention
from gateway_common.payments.store import PaymentChange, lock_resting_payments, save_payments
from gateway_common.queue.ringer import Ringer
from gateway_common.telemetry import CALLBACKS, DUE, OLDEST_DUE_SECONDS, PAYMENTS_NEEDING_ATTENTION
from gateway_common.workers.lifecycle import Loop
from gateway_processor.steps import CallbackStep, OnCallbackStep, pass_callback_by

BATCH_MOST: Final = 200
HANDLE_EVERY_SECONDS: Final = 0.5
MEASURE_EVERY_SECONDS: Final = 5.0
FORGET_EVERY_SECONDS: Final = 60.0


class CallbackHandler:
    def __init__(
        self, database: Database, ringer: Ringer, clock: Clock, on_step: OnCallbackStep = pass_callback_by
    ) -> None:
        self._database = database
        self._ringer = ringer
        self._clock = clock
        self._on_step = on_step
        self._is_handling = False
        self._is_asked_again = False
        self._log = get_logger()

    def loops(self) -> list[Loop]:
        """What a worker does about callbacks again and again, also when no ring comes."""
        return [
            Loop(name="callbacks", action=self.handle, every_seconds=HANDLE_EVERY_SECONDS),
            Loop(name="measure_callbacks", action=self.measure, every_seconds=MEASURE_EVERY_SECONDS),
            Loop(name="forget_callbacks", action=self.forget, every_seconds=FORGET_EVERY_SECONDS),
        ]

    async def handle(self) -> None:
        """Handle all that is due. A ring that comes while this is being done makes it look once more."""
        self._is_asked_again = True
        if self._is_handling:
            return
        self._is_handling = True
        try:
            while self._is_asked_again:
                self._is_asked_again = False
                while await self._handle_batch() == BATCH_MOST:
                    pass
        finally:
            self._is_handling = False

    async def measure(self) -> None:
        """Export how much is due and how late it is, and how many payments need a person."""
        async with self._database.statement() as connection:
            count, oldest_seconds = await measure_due_callbacks(connection)
            needing_attention = await measure_payments_needing_attention(connection)
        DUE.labels("callbacks").set(count)
        OLDEST_DUE_SECONDS.labels("callbacks").set(oldest_seconds)
        PAYMENTS_NEEDING_ATTENTION.set(needing_attention)

    async def forget(self) -> None:
        """Delete some of the callbacks that are handled and old."""
        async with self._database.statement() as connection:
            await delete_old_callbacks(connection)

    async def _handle_batch(self) -> int:
        self._on_step(CallbackStep.HANDLING)
        async with self._database.transaction() as connection:
            due = await lock_due_callbacks(connection, most=BATCH_MOST)
            if not due:
                return 0
            named = sorted({callback.payment_id for callback in due if callback.payment_id is not None})
            payments = await lock_resting_payments(connection, named)
            changes = self._decide_changes(due, payments)
            handled = [HandledCallback(each.id, _outcome(each, payments, changes)) for each in due]
            await save_payments(connection, list(changes.values()))
            await record_callbacks(connection, handled)
            self._on_step(CallbackStep.COMMITTING)
        self._on_step(CallbackStep.HANDLED)
        for change in changes.values():
            self._ringer.ring_payment(change.after.id, change.after.traceparent)
        self._tell(due, handled)
        return len(due)

    def _decide_changes(
        self, due: Sequence[DueCallback], payments: Mapping[str, Payment | None]
    ) -> dict[str, PaymentChange]:
        """The payments that their providers are to be asked about, by id: one change each, however many called."""
        now = self._clock()
        changes: dict[str, PaymentChange] = {}
        for callback in due:
            payment = payments.get(callback.payment_id or "")
            if payment is not None and payment.provider == callback.provider:
                after = hear_news(payment, now)
                if after is not None:
                    # Whoever lost the lease and is about to record what was said before the call must not: the
                    # question would be taken for answered.
                    after = replace(after, attempt=after.attempt + 1)
                    changes[payment.id] = PaymentChange(before=payment, after=after, due_in_seconds=0)
        return changes

    def _tell(self, due: Sequence[DueCallback], handled: Sequence[HandledCallback]) -> None:
        for callback, result in zip(due, handled, strict=True):
            if result.outcome is not None:
                CALLBACKS.labels(callback.provider, result.outcome).inc()
                self._log.info(
                    "callback.handled",
                    callback_id=callback.id,
                    provider=callback.provider,
                    payment_id=callback.payment_id,
                    outcome=result.outcome,
                )


def _outcome(
    callback: DueCallback, payments: Mapping[str, Payment | None], changes: Mapping[str, PaymentChange]
) -> CallbackOutcome | None:
    if callback.payment_id is None or callback.payment_id not in payments:
        return CallbackOutcome.UNRELATED
    payment = payments[callback.payment_id]
    if payment is None:
        return None
    if payment.provider != callback.provider:
        return CallbackOutcome.UNRELATED
    return CallbackOutcome.ASKED if payment.id in changes else CallbackOutcome.RESTING

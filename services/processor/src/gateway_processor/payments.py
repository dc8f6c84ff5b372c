"""One payment's next operation: claim, call, record. Die anywhere, and another worker resumes from the row."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway_common.clock import Clock
from gateway_common.db.database import Database, DatabaseUnavailableError
from gateway_common.db.gather import Gatherer
from gateway_common.events.model import EventType
from gateway_common.events.store import insert_events
from gateway_common.logs import get_logger
from gateway_common.payments import model
from gateway_common.payments.model import Operation, Payment, PaymentStatus, next_operation, provider_key
from gateway_common.payments.queue_store import Saved, claim_payments, record_payments
from gateway_common.payments.store import PaymentChange, find_payments
from gateway_common.queue.ringer import Ringer
from gateway_common.refunds import model as refunds
from gateway_common.refunds.model import Refund, RefundStatus
from gateway_common.refunds.store import list_open_refunds, save_refund
from gateway_common.telemetry import JOB_SECONDS, JOBS, trace_id
from gateway_processor.outcomes import Conclusion, conclude, fail_refund, payment_event, refund_event
from gateway_processor.providers.base import Declined, Missing, Outcome, Provider, ProviderRequest, Unknown

_RECORD_PAUSE_SECONDS: Final = 0.2
_RECORD_PAUSE_LONGEST_SECONDS: Final = 2.0
_CAPTURE_FAILED: Final = Declined("capture_failed", "The payment's capture failed, so there is nothing to refund.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A payment under our lease, and what to ask the provider. `payment.attempt` is the fence."""

    payment: Payment
    operation: Operation
    refund: Refund | None

    @property
    def is_first_try(self) -> bool:
        return self.payment.operation_attempt == 1


class PaymentProcessor:
    """Works off payments by id. Statements of payments that are worked on at once are gathered into one."""

    def __init__(
        self,
        database: Database,
        provider: Provider,
        ringer: Ringer,
        *,
        worker_id: str,
        provider_timeout_seconds: float,
        record_for_seconds: float,
        clock: Clock,
    ) -> None:
        self._database = database
        self._provider = provider
        self._ringer = ringer
        self._worker_id = worker_id
        self._provider_timeout_seconds = provider_timeout_seconds
        self._record_for_seconds = record_for_seconds
        self._clock = clock
        self._reads = Gatherer(self._read_batch)
        self._claims = Gatherer(self._claim_batch)
        self._records = Gatherer(self._record_batch)
        self._log = get_logger()

    async def process(self, payment_id: str) -> None:
        """Do the payment's next operation, if one is due and nobody else is at it."""
        started = time.monotonic()
        claimed = await self.claim(payment_id)
        if claimed is None:
            JOBS.labels("none", "refused").inc()
            return
        outcome = await self.call(claimed)
        recorded = await self.record(claimed, outcome)
        name = type(outcome).__name__.lower() if recorded else "lease_lost"
        JOBS.labels(claimed.operation, name).inc()
        JOB_SECONDS.labels(claimed.operation).observe(time.monotonic() - started)
        self._log.info(
            "payment.operation",
            payment_id=payment_id,
            operation=claimed.operation,
            outcome=name,
            attempt=claimed.payment.attempt,
            seconds=round(time.monotonic() - started, 3),
            trace_id=trace_id(claimed.payment.traceparent),
        )

    async def claim(self, payment_id: str) -> Claimed | None:
        """Take the lease and say what to do under it; None if there is nothing to do, or it is somebody else's."""
        payment = await self._reads.submit(payment_id)
        operation = next_operation(payment) if payment else None
        if payment is None or operation is None:
            return None
        now = self._clock()
        after = replace(payment, attempt=payment.attempt + 1, operation_attempt=payment.operation_attempt + 1)
        if payment.status is PaymentStatus.PENDING:
            after = model.move(after, PaymentStatus.PROCESSING, now)
        events = () if after.version == payment.version else (payment_event(EventType.PAYMENT_PROCESSING, after, now),)
        change = PaymentChange(before=payment, after=after, events=events, worker_id=self._worker_id)
        if operation is Operation.REFUND:
            return await self._claim_refund(change)
        saved = await self._claims.submit(change)
        self._ring(saved)
        return Claimed(payment=after, operation=operation, refund=None) if saved.applied else None

    async def _claim_refund(self, change: PaymentChange) -> Claimed | None:
        async with self._database.transaction() as connection:
            [saved] = await claim_payments(connection, [change])
            if not saved.applied:
                return None
            refund = (await list_open_refunds(connection, change.after.id))[0]
            if refund.status is RefundStatus.PENDING:
                refund = refunds.move(refund, RefundStatus.PROCESSING, self._clock())
                await save_refund(connection, refund)
        return Claimed(payment=change.after, operation=Operation.REFUND, refund=refund)

    async def call(self, claimed: Claimed) -> Outcome:
        """Ask the provider, with no transaction open. Who takes over asks for the status before trying again."""
        request = _request(claimed)
        try:
            async with asyncio.timeout(self._provider_timeout_seconds):
                if not claimed.is_first_try:
                    found = await self._provider.status(request.key)
                    if not isinstance(found, Missing):
                        return found
                match claimed.operation:
                    case Operation.AUTHORIZE:
                        return await self._provider.authorize(request)
                    case Operation.CAPTURE:
                        return await self._provider.capture(request)
                    case Operation.REFUND:
                        return await self._provider.refund(request)
        except TimeoutError:
            return Unknown(f"no answer within {self._provider_timeout_seconds:g} s")
        except Exception as error:  # noqa: BLE001 -- whatever broke, the provider may have done it: unknown is not failed.
            self._log.warning("provider.broken", payment_id=claimed.payment.id, error=repr(error))
            return Unknown(type(error).__name__)

    async def record(self, claimed: Claimed, outcome: Outcome) -> bool:
        """Write what follows from the outcome and give the lease back; False if that is no longer ours to do.

        An outage of the database is waited out, for the provider's answer is known only here. If it lasts too long
        the answer is dropped with the lease, and whoever resumes asks the provider again.
        """
        deadline = time.monotonic() + self._record_for_seconds
        payment = claimed.payment
        pause = _RECORD_PAUSE_SECONDS
        while True:
            try:
                conclusion = conclude(payment, claimed.operation, claimed.refund, outcome, self._clock())
                if await self._save(payment, conclusion):
                    return True
                found = await self._reads.submit(payment.id)
                if found is None or not _is_still_at(found, payment):
                    return False
                # A merchant's decision (a refund, say) came in between: decide again on what is there now.
                payment = found
            except DatabaseUnavailableError:
                if time.monotonic() + pause > deadline:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, _RECORD_PAUSE_LONGEST_SECONDS)

    async def _save(self, before: Payment, conclusion: Conclusion) -> bool:
        after = conclusion.payment
        change = PaymentChange(
            before=before, after=after, events=conclusion.events, due_in_seconds=conclusion.due_in_seconds
        )
        capture_failed = before.captured and not after.captured
        if conclusion.refund is not None or (capture_failed and before.has_open_refund):
            saved = await self._save_with_refunds(change, conclusion)
        else:
            saved = await self._records.submit(change)
        self._ring(saved)
        if saved.applied and conclusion.due_in_seconds == 0:
            self._ringer.ring_payment(after.id, after.traceparent)
        return saved.applied

    async def _save_with_refunds(self, change: PaymentChange, conclusion: Conclusion) -> Saved:
        """The payment and its refunds in one transaction: a refund that waited for a failed capture fails with it."""
        now = self._clock()
        events = list(conclusion.refund_events)
        async with self._database.transaction() as connection:
            [saved] = await record_payments(connection, [change])
            if not saved.applied:
                return saved
            if conclusion.refund is not None:
                await save_refund(connection, conclusion.refund)
            else:
                for refund in await list_open_refunds(connection, change.after.id):
                    failed = fail_refund(refund, now, _CAPTURE_FAILED)
                    await save_refund(connection, failed)
                    events.append(refund_event(EventType.REFUND_FAILED, failed, now, change.after.traceparent))
            deliveries = await insert_events(connection, events) if events else 0
        return Saved(applied=True, deliveries=saved.deliveries + deliveries)

    def _ring(self, saved: Saved) -> None:
        if saved.deliveries:
            self._ringer.ring_webhooks()

    async def _read_batch(self, payment_ids: Sequence[str]) -> list[Payment | None]:
        async with self._database.statement() as connection:
            found = await find_payments(connection, payment_ids)
        return [found.get(payment_id) for payment_id in payment_ids]

    async def _claim_batch(self, changes: Sequence[PaymentChange]) -> list[Saved]:
        async with self._database.statement() as connection:
            return await claim_payments(connection, changes)

    async def _record_batch(self, changes: Sequence[PaymentChange]) -> list[Saved]:
        async with self._database.statement() as connection:
            return await record_payments(connection, changes)


def _is_still_at(found: Payment, claimed: Payment) -> bool:
    """Whether the operation is still open under the same lease.

    It is not when another worker took it, nor when it was recorded before: a connection may break after the commit and
    before its answer. An operation that is settled counts its tries from zero again.
    """
    return found.attempt == claimed.attempt and found.operation_attempt == claimed.operation_attempt


def _request(claimed: Claimed) -> ProviderRequest:
    payment, refund = claimed.payment, claimed.refund
    if refund is not None:
        key, amount_minor = refund.id, refund.amount_minor
    elif claimed.operation is Operation.CAPTURE:
        key, amount_minor = provider_key(payment, claimed.operation), payment.amount_captured_minor
    else:
        key, amount_minor = provider_key(payment, claimed.operation), payment.amount_minor
    return ProviderRequest(
        key=key, payment_id=payment.id, amount_minor=amount_minor, currency=payment.currency, vpa=payment.vpa
    )

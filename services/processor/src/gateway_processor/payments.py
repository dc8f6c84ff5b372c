"""One payment's next operation: claim, call, record. Die anywhere, and another worker resumes from the row."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from gateway_common.clock import Clock
from gateway_common.crypto import Keyring, SealBrokenError
from gateway_common.db.database import Database, DatabaseUnavailableError
from gateway_common.db.gather import Gatherer
from gateway_common.events.model import EventType
from gateway_common.logs import get_logger
from gateway_common.payments import model
from gateway_common.payments.cards import Card, parse_card, seal_context
from gateway_common.payments.model import (
    Operation,
    Payment,
    PaymentMethod,
    PaymentStatus,
    ProviderAnswer,
    next_operation,
    provider_key,
)
from gateway_common.payments.queue_store import Saved, claim_payments
from gateway_common.payments.store import PaymentChange, find_payments, find_sealed_card
from gateway_common.queue.ringer import Ringer
from gateway_common.refunds import model as refunds
from gateway_common.refunds.model import Refund, RefundStatus
from gateway_common.refunds.store import list_open_refunds, save_refund
from gateway_common.telemetry import JOB_SECONDS, JOBS, trace_id
from gateway_processor.outcomes import Concluder, conclude_expiry
from gateway_processor.providers.base import (
    Approved,
    Declined,
    Missing,
    Outcome,
    Pending,
    Provider,
    ProviderRequest,
    Unknown,
)
from gateway_processor.records import Recorder

_RECORD_PAUSE_SECONDS: Final = 0.2
_RECORD_PAUSE_LONGEST_SECONDS: Final = 2.0
_READ_TURNS: Final = 64
"""Taskiq brings one ring every few turns of the loop. Who waits so long, a tenth of a millisecond, has company, and all
that follows goes by larger batches: twice as many payments a second."""
_CARD_UNREADABLE: Final = Declined("card_unreadable", "The card could not be read any more. Nothing was charged.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A payment under our lease, and what to ask the provider. `payment.attempt` is the fence."""

    payment: Payment
    operation: Operation
    at: datetime
    refund: Refund | None = None
    card: Card | None = None

    @property
    def lacks_card(self) -> bool:
        """Whether it is a card payment whose card can't be read: there is nothing to ask a provider with."""
        return self.payment.method == PaymentMethod.CARD and self.card is None

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
        keyring: Keyring,
        *,
        worker_id: str,
        concluder: Concluder,
        provider_timeout_seconds: float,
        record_for_seconds: float,
        clock: Clock,
    ) -> None:
        self._database = database
        self._provider = provider
        self._ringer = ringer
        self._keyring = keyring
        self._concluder = concluder
        self._worker_id = worker_id
        self._provider_timeout_seconds = provider_timeout_seconds
        self._record_for_seconds = record_for_seconds
        self._clock = clock
        self._reads = Gatherer(self._read_batch, turns=_READ_TURNS)
        self._claims = Gatherer(self._claim_batch)
        self._recorder = Recorder(database, ringer, clock)
        self._log = get_logger()

    async def process(self, payment_id: str) -> None:
        """Do the payment's next operation, if one is due and nobody else is at it."""
        started = time.monotonic()
        payment = await self._reads.submit(payment_id)
        if payment is not None and next_operation(payment) is Operation.EXPIRE:
            await self._expire(payment)
            return
        claimed = await self._claim(payment) if payment else None
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
        return await self._claim(payment) if payment else None

    async def _claim(self, payment: Payment) -> Claimed | None:
        operation = next_operation(payment)
        if operation is None or operation is Operation.EXPIRE:
            return None
        # Before the claim: a card that can't be read now must not cost the time of a lease.
        card = await self._open_card(payment) if operation is Operation.AUTHORIZE else None
        now = self._clock()
        after = replace(payment, attempt=payment.attempt + 1, operation_attempt=payment.operation_attempt + 1)
        if payment.status is PaymentStatus.PENDING:
            after = model.move(after, PaymentStatus.PROCESSING, now)
        events = (
            () if after.version == payment.version else (model.payment_event(EventType.PAYMENT_PROCESSING, after, now),)
        )
        change = PaymentChange(before=payment, after=after, events=events, worker_id=self._worker_id)
        if operation is Operation.REFUND:
            return await self._claim_refund(change, now)
        saved = await self._claims.submit(change)
        if saved.deliveries:
            self._ringer.ring_webhooks()
        if not saved.applied:
            return None
        return Claimed(payment=after, operation=operation, at=now, card=card)

    async def _expire(self, payment: Payment) -> None:
        """End an authorization that ran out. No provider is asked, so no lease is needed: the version guards it."""
        recorded = await self._recorder.save(payment, conclude_expiry(payment, self._clock()), None)
        JOBS.labels(Operation.EXPIRE, "recorded" if recorded else "refused").inc()

    async def _open_card(self, payment: Payment) -> Card | None:
        if payment.method != PaymentMethod.CARD:
            return None
        async with self._database.statement() as connection:
            sealed = await find_sealed_card(connection, payment.id)
        if sealed is None:
            return None
        try:
            return parse_card(self._keyring.unseal(sealed, context=seal_context(payment.id)))
        except SealBrokenError as error:
            self._log.error("card.unreadable", payment_id=payment.id, error=str(error))
            return None

    async def _claim_refund(self, change: PaymentChange, now: datetime) -> Claimed | None:
        async with self._database.transaction() as connection:
            [saved] = await claim_payments(connection, [change])
            if not saved.applied:
                return None
            refund = (await list_open_refunds(connection, change.after.id))[0]
            if refund.status is RefundStatus.PENDING:
                refund = refunds.move(refund, RefundStatus.PROCESSING, now)
                await save_refund(connection, refund)
        return Claimed(payment=change.after, operation=Operation.REFUND, at=now, refund=refund)

    async def call(self, claimed: Claimed) -> Outcome:
        """Ask the provider, with no transaction open. Who takes over asks for the status before trying again."""
        try:
            async with asyncio.timeout(self._provider_timeout_seconds):
                return await self._ask(claimed, _request(claimed))
        except TimeoutError:
            return Unknown(f"no answer within {self._provider_timeout_seconds:g} s")
        except Exception as error:  # noqa: BLE001 -- whatever broke, the provider may have done it: unknown is not failed.
            self._log.warning("provider.broken", payment_id=claimed.payment.id, error=repr(error))
            return Unknown(type(error).__name__)

    async def _ask(self, claimed: Claimed, request: ProviderRequest) -> Outcome:
        if not claimed.is_first_try:
            found = await self._provider.status(request.key)
            if not isinstance(found, Missing):
                return found
        if claimed.operation is Operation.AUTHORIZE and claimed.lacks_card:
            return _CARD_UNREADABLE
        calls = {
            Operation.AUTHORIZE: self._provider.authorize,
            Operation.CAPTURE: self._provider.capture,
            Operation.VOID: self._provider.void,
            Operation.REFUND: self._provider.refund,
        }
        return await calls[claimed.operation](request)

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
                now = self._clock()
                conclusion = self._concluder.conclude(payment, claimed.operation, claimed.refund, outcome, now)
                answer = _answer(claimed, outcome, now, provider=self._provider.name)
                if await self._recorder.save(payment, conclusion, answer):
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

    async def _read_batch(self, payment_ids: Sequence[str]) -> list[Payment | None]:
        async with self._database.statement() as connection:
            found = await find_payments(connection, payment_ids)
        return [found.get(payment_id) for payment_id in payment_ids]

    async def _claim_batch(self, changes: Sequence[PaymentChange]) -> list[Saved]:
        async with self._database.statement() as connection:
            return await claim_payments(connection, changes)


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
        key=key,
        payment_id=payment.id,
        amount_minor=amount_minor,
        currency=payment.currency,
        livemode=payment.livemode,
        vpa=payment.vpa,
        card=claimed.card,
    )


def _answer(claimed: Claimed, outcome: Outcome, now: datetime, *, provider: str) -> ProviderAnswer:
    """The outcome as the timeline tells it."""
    code, message = None, None
    match outcome:
        case Declined(declined_code, declined_message):
            code, message = declined_code, declined_message
        case Unknown(reason):
            message = reason
        case Approved() | Pending():
            pass
    return ProviderAnswer(
        payment_id=claimed.payment.id,
        attempt=claimed.payment.attempt,
        refund_id=claimed.refund.id if claimed.refund else None,
        provider=provider,
        operation=claimed.operation,
        outcome=type(outcome).__name__.lower(),
        code=code,
        message=message,
        asked_at=claimed.at,
        answered_at=now,
    )

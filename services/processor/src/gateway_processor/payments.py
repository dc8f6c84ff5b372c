"""One payment's next operation: claim, call, record. Die anywhere, and another worker resumes from the row."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from gateway_common.clock import Clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database, DatabaseUnavailableError
from gateway_common.db.gather import Gatherer
from gateway_common.errors import NoProviderError
from gateway_common.logs import get_logger
from gateway_common.payments.model import Operation, Payment, next_operation
from gateway_common.payments.store import find_payments
from gateway_common.queue.ringer import Ringer
from gateway_common.telemetry import JOBS, job_metrics, trace_id
from gateway_processor.calls import Calls, answer_of
from gateway_processor.claims import Claimed, Claimer
from gateway_processor.outcomes import Concluder, conclude_expiry, conclude_unserved
from gateway_processor.providers.base import Outcome, Unreachable
from gateway_processor.providers.registry import Providers
from gateway_processor.records import Recorder
from gateway_processor.steps import OnStep, Step, pass_by

_RECORD_PAUSE_SECONDS: Final = 0.2
_RECORD_PAUSE_LONGEST_SECONDS: Final = 2.0
_READ_TURNS: Final = 64
"""Taskiq brings one ring every few turns of the loop. Who waits so long, a tenth of a millisecond, has company, and all
that follows goes by larger batches: a payment in a crowd costs a fourth to a third less CPU."""


class PaymentProcessor:
    """Works off payments by id. Statements of payments that are worked on at once are gathered into one."""

    def __init__(
        self,
        database: Database,
        providers: Providers,
        ringer: Ringer,
        keyring: Keyring,
        *,
        worker_id: str,
        concluder: Concluder,
        provider_timeout_seconds: float,
        record_for_seconds: float,
        clock: Clock,
        on_step: OnStep = pass_by,
    ) -> None:
        self._database = database
        self._providers = providers
        self._concluder = concluder
        self._record_for_seconds = record_for_seconds
        self._clock = clock
        self._on_step = on_step
        self._reads = Gatherer(self._read_batch, turns=_READ_TURNS)
        self._claimer = Claimer(database, providers, ringer, keyring, worker_id=worker_id, clock=clock, on_step=on_step)
        self._calls = Calls(providers, timeout_seconds=provider_timeout_seconds)
        self._recorder = Recorder(database, ringer, clock, on_step)
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
        count, seconds = job_metrics(claimed.operation, name)
        count.inc()
        seconds.observe(time.monotonic() - started)
        self._log.info(
            "payment.operation",
            payment_id=payment_id,
            operation=claimed.operation,
            provider=claimed.provider,
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
        try:
            return await self._claimer.claim(payment)
        except NoProviderError as error:
            self._log.error("payment.unserved", payment_id=payment.id, error=error.message)
            await self._recorder.save(payment, conclude_unserved(payment), None)
            return None

    async def _expire(self, payment: Payment) -> None:
        """End an authorization that ran out. No provider is asked, so no lease is needed: the version guards it."""
        recorded = await self._recorder.save(payment, conclude_expiry(payment, self._clock()), None)
        JOBS.labels(Operation.EXPIRE, "recorded" if recorded else "refused").inc()

    async def call(self, claimed: Claimed) -> Outcome:
        """Ask the provider, with no transaction open."""
        self._on_step(claimed.operation, Step.CALLING, claimed.payment)
        outcome = await self._calls.ask(claimed)
        self._on_step(claimed.operation, Step.ANSWERED, claimed.payment)
        return outcome

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
                if await self._record(claimed, payment, outcome):
                    self._on_step(claimed.operation, Step.RECORDED, payment)
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

    async def _record(self, claimed: Claimed, payment: Payment, outcome: Outcome) -> bool:
        operation = claimed.operation
        fallback, late = None, None
        if isinstance(outcome, Unreachable) and operation is Operation.AUTHORIZE and claimed.is_first_try:
            fallback = await self._providers.choose_after(payment)
        if operation is Operation.INQUIRE:
            late = await self._recorder.find_late_terms(payment)
        now = self._clock()
        conclusion = self._concluder.conclude(payment, claimed, outcome, now, fallback=fallback, late=late)
        self._on_step(operation, Step.RECORDING, payment)
        return await self._recorder.save(payment, conclusion, answer_of(claimed, payment, outcome, now))

    async def _read_batch(self, payment_ids: Sequence[str]) -> list[Payment | None]:
        async with self._database.statement() as connection:
            found = await find_payments(connection, payment_ids)
        return [found.get(payment_id) for payment_id in payment_ids]


def _is_still_at(found: Payment, claimed: Payment) -> bool:
    """Whether the operation is still open under the same lease.

    It is not when another worker took it, nor when it was recorded before: a connection may break after the commit and
    before its answer. An operation that is settled counts its tries from zero again.
    """
    return found.attempt == claimed.attempt and found.operation_attempt == claimed.operation_attempt

"""Looks every half second for due payments that nobody holds and rings for them. Safe in any number of processes.

It serves lost rings, retries, dead workers and a flushed Redis alike: the rows say what is due. While Redis is away
it hands them to this process's own listener, as many as have a free slot.
"""

from collections.abc import Callable, Sequence
from typing import Final

from gateway_common.db.database import Database
from gateway_common.logs import get_logger
from gateway_common.payments.queue_store import (
    DuePayment,
    free_payment_leases,
    measure_due_payments,
    ring_due_payments,
)
from gateway_common.queue.broker import DoorbellBroker
from gateway_common.queue.messages import PROCESS_PAYMENT
from gateway_common.queue.ringer import Ringer
from gateway_common.telemetry import DUE, LEASES_FREED, OLDEST_DUE_SECONDS, QUEUE_LAG, RINGS

SWEEP_EVERY_SECONDS: Final = 0.5
BATCH_MOST: Final = 500
SHORT_STREAM: Final = 1_000
"""A sweep rings until so many rings stand unread; more of them would help nobody."""
RING_AGAIN_SECONDS: Final = 1.0
RING_AGAIN_BUSY_SECONDS: Final = 5.0
"""So long after its ring was read a row is rung for again; a busy worker may take some seconds to claim it."""


class Sweeper:
    """Rings by `bell` and `ringer`; `listener` is what this process hears with."""

    def __init__(
        self,
        database: Database,
        bell: DoorbellBroker,
        ringer: Ringer,
        *,
        listener: DoorbellBroker,
        lease_limit_seconds: float,
    ) -> None:
        self._database = database
        self._bell = bell
        self._ringer = ringer
        self._listener = listener
        self._lease_limit_seconds = lease_limit_seconds
        self._is_busy = False
        self._log = get_logger()

    async def sweep(self) -> bool:
        """Free the leases of the dead, then have done what is due; whether the stream will soon want more."""
        async with self._database.statement() as connection:
            freed = await free_payment_leases(connection, lease_limit_seconds=self._lease_limit_seconds)
        if freed:
            LEASES_FREED.labels("payments").inc(freed)
            self._log.warning("leases.freed", queue="payments", count=freed)
        lag = None if self._ringer.is_failing else await self._bell.find_lag()
        if lag is None:
            await self._give(self._hand_over, most=self._listener.free_slots, again_after_seconds=RING_AGAIN_SECONDS)
            return False
        QUEUE_LAG.labels("payments").set(lag)
        if lag >= SHORT_STREAM:
            return False
        again = RING_AGAIN_BUSY_SECONDS if lag or self._is_busy else RING_AGAIN_SECONDS
        if lag:
            # A ring that was sent since the oldest unread one may itself be unread; an older one was read, or is lost.
            again += await self._bell.oldest_unread_seconds()
        self._is_busy = await self._give(self._ring, most=SHORT_STREAM - lag, again_after_seconds=again)
        # More than half was read since the last look: the next would find the stream empty and the workers idle.
        return self._is_busy and lag < SHORT_STREAM / 2

    async def _give(
        self, give: Callable[[Sequence[DuePayment]], None], *, most: int, again_after_seconds: float
    ) -> bool:
        """Mark due payments as rung for and pass them on in batches; whether there were as many as asked for."""
        while most > 0:
            batch = min(most, BATCH_MOST)
            async with self._database.statement() as connection:
                due = await ring_due_payments(connection, most=batch, again_after_seconds=again_after_seconds)
            give(due)
            if len(due) < batch:
                return False
            most -= batch
        return True

    def _ring(self, due: Sequence[DuePayment]) -> None:
        for payment in due:
            self._ringer.ring_payment(payment.id, payment.traceparent)

    def _hand_over(self, due: Sequence[DuePayment]) -> None:
        arguments = [{"payment_id": payment.id} for payment in due]
        labels = [{"traceparent": payment.traceparent} if payment.traceparent else {} for payment in due]
        self._listener.hand_over(PROCESS_PAYMENT, arguments, labels)
        RINGS.labels("payments", "handed_over").inc(len(due))

    async def measure(self) -> None:
        """Export how much is due and how late it is, as PostgreSQL knows it."""
        async with self._database.statement() as connection:
            count, oldest_seconds = await measure_due_payments(connection)
        DUE.labels("payments").set(count)
        OLDEST_DUE_SECONDS.labels("payments").set(oldest_seconds)

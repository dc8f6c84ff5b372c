"""Looks every half second for due payments that nobody holds and rings for them. Safe in any number of processes.

It serves lost rings, retries, dead workers and a flushed Redis alike: the rows say what is due.
"""

from typing import Final

from gateway_common.db.database import Database
from gateway_common.logs import get_logger
from gateway_common.payments.queue_store import free_payment_leases, measure_due_payments, ring_due_payments
from gateway_common.queue.broker import DoorbellBroker, QueueUnavailableError
from gateway_common.queue.ringer import Ringer
from gateway_common.telemetry import DUE, LEASES_FREED, OLDEST_DUE_SECONDS, QUEUE_LAG

SWEEP_EVERY_SECONDS: Final = 0.5
BATCH_MOST: Final = 500
SHORT_STREAM: Final = 1_000
"""While this many rings wait unread, more of them would help nobody."""
RING_AGAIN_SECONDS: Final = 1.0
RING_AGAIN_BEHIND_OTHERS_SECONDS: Final = 15.0
"""A row whose ring may still stand in the stream is not rung for again so soon."""


class Sweeper:
    def __init__(
        self, database: Database, broker: DoorbellBroker, ringer: Ringer, *, lease_limit_seconds: float
    ) -> None:
        self._database = database
        self._broker = broker
        self._ringer = ringer
        self._lease_limit_seconds = lease_limit_seconds
        self._log = get_logger()

    async def sweep(self) -> None:
        """Free the leases of the dead, then ring for what is due."""
        async with self._database.statement() as connection:
            freed = await free_payment_leases(connection, lease_limit_seconds=self._lease_limit_seconds)
        if freed:
            LEASES_FREED.labels("payments").inc(freed)
            self._log.warning("leases.freed", queue="payments", count=freed)
        try:
            lag = await self._broker.lag()
        except QueueUnavailableError:
            # Marking rows as rung for would be a lie.
            return
        QUEUE_LAG.labels("payments").set(lag)
        if lag >= SHORT_STREAM:
            return
        again = RING_AGAIN_BEHIND_OTHERS_SECONDS if lag else RING_AGAIN_SECONDS
        async with self._database.statement() as connection:
            due = await ring_due_payments(connection, most=BATCH_MOST, again_after_seconds=again)
        for payment in due:
            self._ringer.ring_payment(payment.id, payment.traceparent)

    async def measure(self) -> None:
        """Export how much is due and how late it is, as PostgreSQL knows it."""
        async with self._database.statement() as connection:
            count, oldest_seconds = await measure_due_payments(connection)
        DUE.labels("payments").set(count)
        OLDEST_DUE_SECONDS.labels("payments").set(oldest_seconds)

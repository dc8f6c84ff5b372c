"""Claims due deliveries, as many as there are free places, and has each one attempted. Rings only wake it early."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from gateway_common.db.database import Connection, Database, DatabaseUnavailableError, StatementRefusedError
from gateway_common.logs import get_logger
from gateway_common.telemetry import DUE, JOBS_RUNNING, LEASES_FREED, OLDEST_DUE_SECONDS, OVERLOOKED
from gateway_common.webhooks.claim_store import claim_deliveries
from gateway_common.webhooks.lease_store import (
    defer_blocked_deliveries,
    find_overlooked_endpoints,
    free_delivery_leases,
    measure_due_deliveries,
)
from gateway_common.webhooks.model import ClaimedDelivery
from gateway_common.webhooks.replay_store import advance_replays
from gateway_common.webhooks.settle_store import settle_endpoints
from gateway_common.workers.lifecycle import Loop
from gateway_webhook_dispatcher.delivery import Deliverer

LOOK_EVERY_SECONDS: Final = 0.1
"""Retries fall due without a ring; this is how late they may be, and how long a lost ring costs."""
CLAIM_MOST: Final = 256
FREE_EVERY_SECONDS: Final = 1.0
MOVE_EVERY_SECONDS: Final = 0.5
MEASURE_EVERY_SECONDS: Final = 5.0
OVERLOOKED_EVERY_SECONDS: Final = 10.0
OUTAGE_PAUSE_SECONDS: Final = 1.0

Result = TypeVar("Result")


class Dispatcher:
    def __init__(
        self,
        database: Database,
        deliverer: Deliverer,
        *,
        worker_id: str,
        concurrency: int,
        in_flight_most: int,
        lease_limit_seconds: float,
        silent_after_seconds: float,
    ) -> None:
        self._database = database
        self._deliverer = deliverer
        self._worker_id = worker_id
        self._concurrency = concurrency
        self._in_flight_most = in_flight_most
        self._lease_limit_seconds = lease_limit_seconds
        self._silent_after_seconds = silent_after_seconds
        self._all_may_live_until = time.monotonic() + silent_after_seconds
        self._running: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._more_waits = False
        self._at_limit: set[str] = set()
        self._log = get_logger()

    def wake(self) -> None:
        """Some delivery is due: look now."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Claim and start deliveries until `stop` is set. Those that run then go on; see `drain`."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self.wake())
        while not stop.is_set():
            self._wake.clear()
            for delivery in await self._claim():
                self._start(delivery)
            try:
                await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_SECONDS)
            except TimeoutError:
                continue

    def loops(self) -> list[Loop]:
        """What has to be done beside delivering, safe in any number of processes."""
        return [
            Loop(name="free_leases", action=self.free_leases, every_seconds=FREE_EVERY_SECONDS),
            Loop(name="settle", action=self.settle, every_seconds=MOVE_EVERY_SECONDS),
            Loop(name="advance_replays", action=self.advance_replays, every_seconds=MOVE_EVERY_SECONDS),
            Loop(name="defer_blocked", action=self.defer_blocked, every_seconds=MOVE_EVERY_SECONDS),
            Loop(name="find_overlooked", action=self.find_overlooked, every_seconds=OVERLOOKED_EVERY_SECONDS),
            Loop(name="measure", action=self.measure, every_seconds=MEASURE_EVERY_SECONDS),
        ]

    async def drain(self, timeout_seconds: float) -> None:
        """Wait for the running deliveries, at most so long."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_seconds)

    async def free_leases(self) -> None:
        """Free what dead dispatchers held.

        After an outage of the database (and who has just started may have missed one) everybody looks dead at first:
        let the others say that they live before their webhooks are sent a second time.
        """
        try:
            if time.monotonic() < self._all_may_live_until:
                await self._database.check()
                return
            freed = await self._do(partial(free_delivery_leases, lease_limit_seconds=self._lease_limit_seconds))
        except DatabaseUnavailableError:
            self._all_may_live_until = time.monotonic() + self._silent_after_seconds
            raise
        if freed:
            LEASES_FREED.labels("webhooks").inc(freed)
            self._log.warning("leases.freed", queue="webhooks", count=freed)
            self.wake()

    async def settle(self) -> None:
        """Have the deliveries of paused, disabled, enabled and deleted endpoints follow their endpoint's status."""
        while await self._do(settle_endpoints):
            self.wake()

    async def advance_replays(self) -> None:
        """Queue what is to be replayed."""
        while await self._do(advance_replays):
            self.wake()

    async def defer_blocked(self) -> None:
        """Move deliveries that a breaker holds back out of the way of the others."""
        await self._do(defer_blocked_deliveries)

    async def find_overlooked(self) -> None:
        """Look for deliveries that nobody would find: there should be none."""
        endpoint_ids = await self._do(find_overlooked_endpoints)
        if endpoint_ids:
            OVERLOOKED.inc(len(endpoint_ids))
            self._log.error("webhook.endpoints_overlooked", endpoint_ids=endpoint_ids[:10], count=len(endpoint_ids))
            self.wake()

    async def measure(self) -> None:
        """Export how much is due and how late it is, as PostgreSQL knows it."""
        async with self._database.statement() as connection:
            count, oldest_seconds = await measure_due_deliveries(connection)
        DUE.labels("webhooks").set(count)
        OLDEST_DUE_SECONDS.labels("webhooks").set(oldest_seconds)

    async def _do(self, action: Callable[[Connection], Awaitable[Result]]) -> Result:
        async with self._database.statement() as connection:
            return await action(connection)

    async def _claim(self) -> list[ClaimedDelivery]:
        free = min(self._concurrency - len(self._running), CLAIM_MOST)
        if free <= 0:
            return []
        claim = partial(
            claim_deliveries,
            worker_id=self._worker_id,
            most=free,
            in_flight_most=self._in_flight_most,
            burst_seconds=LOOK_EVERY_SECONDS,
        )
        try:
            claimed = await self._do(claim)
        except (DatabaseUnavailableError, StatementRefusedError) as error:
            self._log.warning("webhooks.claim_failed", error=str(error.__cause__ or error))
            await asyncio.sleep(OUTAGE_PAUSE_SECONDS)
            return []
        self._more_waits = len(claimed) == free
        self._at_limit.update(delivery.endpoint_id for delivery in claimed if delivery.at_limit)
        return claimed

    def _start(self, delivery: ClaimedDelivery) -> None:
        task = asyncio.create_task(self._deliver(delivery))
        self._running.add(task)
        JOBS_RUNNING.set(len(self._running))
        task.add_done_callback(partial(self._finished, delivery.endpoint_id))

    def _finished(self, endpoint_id: str, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        JOBS_RUNNING.set(len(self._running))
        # A place is free, here or at this endpoint. If something may have waited for it, it can go.
        if self._more_waits or endpoint_id in self._at_limit:
            self._at_limit.discard(endpoint_id)
            self.wake()

    async def _deliver(self, delivery: ClaimedDelivery) -> None:
        try:
            await self._deliverer.deliver(delivery)
        except DatabaseUnavailableError:
            self._log.warning("webhook.outcome_lost", delivery_id=delivery.id)
        except Exception as error:  # noqa: BLE001 -- one delivery's fault must not be the others'; its lease runs out.
            self._log.exception("webhook.delivery_broken", delivery_id=delivery.id, error=str(error))

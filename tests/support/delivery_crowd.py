"""Everybody who touches deliveries, at once and at random: what dispatchers, merchants and payments do to them.

Each deed is one that some process of the gateway does, by the stores' own functions. Some keep their transaction open
for a while, so that others come in between.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from tests.support.deliveries import MERCHANT_ID, change_status, example_event
from tests.support.records import read_rows

from gateway_common.clock import system_clock
from gateway_common.db.database import Connection, Database
from gateway_common.errors import DeliveryStateError, EndpointStateError
from gateway_common.events.model import EventType
from gateway_common.events.store import insert_events
from gateway_common.webhooks.changes import check_retry
from gateway_common.webhooks.claim_store import (
    claim_deliveries,
    defer_blocked_deliveries,
    find_overlooked_endpoints,
    free_delivery_leases,
    release_delivery_leases,
)
from gateway_common.webhooks.health import EndpointHealth, after_failure, after_success
from gateway_common.webhooks.health_store import lock_healths, save_healths
from gateway_common.webhooks.model import ClaimedDelivery, EndpointStatus
from gateway_common.webhooks.outcome import AttemptResult, DeliveryOutcome, FailureReason, decide_outcome
from gateway_common.webhooks.outcome_store import record_outcomes
from gateway_common.webhooks.replay import ReplaySource, ReplayWhich
from gateway_common.webhooks.replay_store import advance_replays, insert_replay, start_recovery
from gateway_common.webhooks.retry_store import lock_delivery, retry_delivery
from gateway_common.webhooks.settle_store import settle_endpoints
from gateway_common.workers.store import renew_worker

IN_FLIGHT_MOST: Final = 16
WORKERS: Final = ("wrk_one", "wrk_two")
INTERVALS: Final = ((), (0.02,), (0.02, 0.02, 0.3))
FORGOTTEN_SECONDS: Final = 0.1
PAUSE_SECONDS: Final = 0.2
SETTLE_MOST: Final = 5
"""So few at a time that much happens between the first and the last of an endpoint's."""

Deed = Callable[[], Awaitable[None]]


class Crowd:
    """Does deeds until told to stop, several at once. What the seed decides is who does what, not who comes first."""

    def __init__(self, database: Database, endpoint_ids: list[str], *, doomed_id: str, seed: int) -> None:
        self.overlooked: list[str] = []
        self.wrongly_recorded = 0
        """Outcomes of leases that were lost, and still were recorded."""
        self._database = database
        self._endpoint_ids = endpoint_ids
        self._doomed_id = doomed_id
        self._chance = random.Random(seed)  # noqa: S311 -- a repeatable run is the point.
        self._claimed: list[ClaimedDelivery] = []
        self._stop = asyncio.Event()

    async def act(self, *, seconds: float) -> None:
        """Let all of them do what they do for so long; raises what the first one to fail raised."""
        every: Sequence[tuple[Deed, float]] = (
            (self.happen, 0.04),
            (partial(self.claim, WORKERS[0]), 0.01),
            (partial(self.claim, WORKERS[1]), 0.01),
            (self.record, 0.01),
            (partial(self.record, stale=True), 0.05),
            (self.note, 0.02),
            (self.free, 0.05),
            (partial(self.release, WORKERS[1]), 0.3),
            (self.change, 0.1),
            (self.change, 0.1),
            (partial(self.settle, most=SETTLE_MOST), 0.02),
            (partial(self.settle, most=1000), 0.03),
            (self.defer, 0.03),
            (self.retry, 0.03),
            (self.replay, 0.1),
            (partial(self.advance, most=3), 0.02),
            (partial(self.advance, most=1000), 0.05),
            (self.look_for_overlooked, 0.1),
        )
        async with asyncio.TaskGroup() as group:
            for deed, pause in every:
                group.create_task(self._repeat(deed, pause))
            await asyncio.sleep(seconds)
            self._stop.set()

    async def rest(self) -> None:
        """Nobody does anything strange any more: all that waits has to get through, as it would in the gateway."""
        for endpoint_id in self._endpoint_ids:
            await self._change_to(endpoint_id, EndpointStatus.ENABLED)
        async with self._database.statement() as connection:
            for worker_id in WORKERS:
                await release_delivery_leases(connection, worker_id)

    async def deliver_all(self, worker_id: str) -> int:
        """What a dispatcher does in one look, with every attempt a success; how many there were."""
        async with self._database.statement() as connection:
            await settle_endpoints(connection)
            await advance_replays(connection)
            claimed = await claim_deliveries(connection, worker_id, most=100, in_flight_most=IN_FLIGHT_MOST)
            await record_outcomes(connection, [self._outcome(each, status=200) for each in claimed])
        if claimed:
            await self._note({each.endpoint_id for each in claimed}, lambda health: health, status=200)
        return len(claimed)

    async def happen(self) -> None:
        event_types = (EventType.PAYMENT_CREATED, EventType.REFUND_CREATED)
        async with self._connection() as connection:
            count = self._chance.randint(1, 3)
            await insert_events(connection, [example_event(self._chance.choice(event_types)) for _ in range(count)])

    async def claim(self, worker_id: str) -> None:
        async with self._connection() as connection:
            await renew_worker(connection, worker_id, "webhook-dispatcher")
            most = self._chance.choice((1, 5, 20))
            claimed = await claim_deliveries(connection, worker_id, most=most, in_flight_most=IN_FLIGHT_MOST)
        self._claimed += claimed

    async def record(self, *, stale: bool = False) -> None:
        """Some attempts end; others are forgotten, or end when others have taken them over."""
        if stale:
            await asyncio.sleep(FORGOTTEN_SECONDS)
        self._chance.shuffle(self._claimed)
        count = self._chance.randint(0, len(self._claimed))
        ended, self._claimed = self._claimed[:count], self._claimed[count:]
        if not ended:
            return
        outcomes = [self._outcome(each, status=self._chance.choice((200, 200, 503))) for each in ended]
        async with self._connection() as connection:
            await record_outcomes(connection, outcomes)
        if self._chance.random() < 0.2:
            async with self._connection() as connection:
                self.wrongly_recorded += sum(await record_outcomes(connection, outcomes))

    async def note(self) -> None:
        endpoint_ids = set(self._chance.sample(self._endpoint_ids, self._chance.randint(1, 3)))
        status = self._chance.choice((200, 503))
        opens = self._chance.random() < 0.3
        await self._note(endpoint_ids, _opened if opens else lambda health: health, status=status)

    async def free(self) -> None:
        async with self._connection() as connection:
            await free_delivery_leases(connection, lease_limit_seconds=FORGOTTEN_SECONDS)

    async def release(self, worker_id: str) -> None:
        async with self._connection() as connection:
            await release_delivery_leases(connection, worker_id)

    async def change(self) -> None:
        statuses = (EndpointStatus.ENABLED, EndpointStatus.ENABLED, EndpointStatus.PAUSED)
        if self._doomed_id in self._endpoint_ids and self._chance.random() < 0.05:
            self._endpoint_ids.remove(self._doomed_id)
            await self._change_to(self._doomed_id, EndpointStatus.DELETED)
        await self._change_to(self._chance.choice(self._endpoint_ids), self._chance.choice(statuses))

    async def settle(self, *, most: int) -> None:
        async with self._database.statement() as connection:
            await settle_endpoints(connection, most=most)

    async def defer(self) -> None:
        async with self._connection() as connection:
            await defer_blocked_deliveries(connection)

    async def retry(self) -> None:
        """As the API does it, whatever became of the delivery before."""
        found = await read_rows(self._database, "SELECT id FROM webhook_deliveries ORDER BY random() LIMIT 1")
        for row in found:
            with contextlib.suppress(EndpointStateError, DeliveryStateError):
                async with self._database.transaction() as connection:
                    standing = await lock_delivery(connection, row["id"], merchant_id=MERCHANT_ID, livemode=False)
                    check_retry(standing)
                    await self._linger()
                    await retry_delivery(connection, row["id"])

    async def replay(self) -> None:
        now = system_clock()
        async with self._connection() as connection:
            await insert_replay(
                connection,
                self._chance.choice(self._endpoint_ids),
                source=ReplaySource.MERCHANT,
                which=self._chance.choice((ReplayWhich.FAILED, ReplayWhich.FAILED, ReplayWhich.ALL)),
                created_from=now - timedelta(seconds=2),
                created_to=now,
                now=now,
            )

    async def advance(self, *, most: int) -> None:
        async with self._database.statement() as connection:
            await advance_replays(connection, most=most)

    async def look_for_overlooked(self) -> None:
        async with self._database.statement() as connection:
            self.overlooked += await find_overlooked_endpoints(connection)

    async def _repeat(self, deed: Deed, pause: float) -> None:
        while not self._stop.is_set():
            await deed()
            await asyncio.sleep(self._chance.uniform(0, 2 * pause))

    async def _change_to(self, endpoint_id: str, status: EndpointStatus) -> None:
        """As the API does it: the change and its event in one transaction."""
        async with self._database.transaction() as connection:
            await change_status(connection, endpoint_id, status)
            await self._linger()
            await insert_events(connection, [example_event(EventType.WEBHOOK_ENDPOINT_ENABLED)])

    async def _note(
        self, endpoint_ids: set[str], change: Callable[[EndpointHealth], EndpointHealth], *, status: int
    ) -> None:
        """As the dispatcher does it: healths of several endpoints in one transaction, recovery begun in it."""
        async with self._database.transaction() as connection:
            now, healths = await lock_healths(connection, endpoint_ids)
            await self._linger()
            noted = [
                after_success(health, now=now, in_flight_most=IN_FLIGHT_MOST)
                if status == 200
                else after_failure(health, now=now)
                for health in map(change, healths.values())
            ]
            # A pause of half a minute would outlast the test.
            soon = now + timedelta(seconds=PAUSE_SECONDS)
            await save_healths(connection, [replace(each, blocked_until=each.blocked_until and soon) for each in noted])
            if status == 200:
                for endpoint_id in sorted(endpoint_ids):
                    await start_recovery(connection, endpoint_id, now=system_clock())

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """Each deed is one statement; some take their time until the commit."""
        if self._chance.random() < 0.5:
            async with self._database.statement() as connection:
                yield connection
            return
        async with self._database.transaction() as connection:
            yield connection
            await self._linger()

    async def _linger(self) -> None:
        await asyncio.sleep(self._chance.choice((0, 0.002, 0.02)))

    def _outcome(self, delivery: ClaimedDelivery, *, status: int) -> DeliveryOutcome:
        reason = None if status == 200 else FailureReason.STATUS
        result = AttemptResult(started_at=system_clock(), duration_ms=1, response_status=status, reason=reason)
        return decide_outcome(delivery, result, intervals=self._chance.choice(INTERVALS), chance=self._chance.random())


def _opened(health: EndpointHealth) -> EndpointHealth:
    """One whose next failure opens the breaker."""
    since = health.failing_since or system_clock()
    return replace(health, consecutive_failures=9, failing_since=since - timedelta(minutes=2))

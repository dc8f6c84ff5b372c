"""One chaos run: events happen, dispatchers die, Redis and PostgreSQL fall, and in the end the books are read."""

import asyncio
import random
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import redis.asyncio
from tests.support.databases import MASTER_KEY
from tests.support.doorbell import bell
from tests.support.records import number_all_events, read_audit, read_rows
from tests.support.redis_server import RedisServer, redis_server
from tests.support.waiting import wait_until
from tests.support.webhook_chaos_books import MISCOUNTED, Books, Ledger
from tests.support.webhook_chaos_lives import Dispatchers
from tests.support.webhook_chaos_servers import falling_postgres, running_sink
from tests.support.webhook_chaos_shop import Shop
from tests.support.webhook_chaos_sink import MEND, read_diary

from gateway_cli.local.process import Process
from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.queue.messages import WEBHOOKS_STREAM
from gateway_common.queue.ringer import Ringer
from gateway_common.settings import normalize_database_url
from gateway_common.webhooks.model import EndpointStatus, with_status
from gateway_common.webhooks.replay import ReplaySource, ReplayWhich
from gateway_common.webhooks.replay_store import insert_replay
from gateway_common.webhooks.store import lock_endpoint, save_endpoint

PLACES: Final = 2
IN_FLIGHT_MOST: Final = 16
INTERVALS: Final = (0.5, 0.5, 1, 1, 2, 2, 3)
SILENT_AFTER_SECONDS: Final = 3.0
"""Longer than the slowest endpoint takes to answer: what a dead dispatcher had under way is over before it is freed."""
POSTGRES_DOWN_SECONDS: Final = 1.0
UNDER_WAY: Final = "SELECT FROM webhook_deliveries WHERE due_at IS NOT NULL OR worker_id IS NOT NULL LIMIT 1"
BROKEN_LEFT: Final = "SELECT FROM webhook_deliveries WHERE endpoint_id = :id AND status <> 'failed' LIMIT 1"
BAD_NEWS: Final = ("webhook.delivery_broken", "webhooks.overlooked", "loop.failed", "webhook.secret_unreadable")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much happens, and how much goes wrong meanwhile."""

    seed: int
    events: int
    per_second: float
    kill_every_seconds: float
    flushes: int
    redis_down_seconds: float
    rest_seconds_most: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was done, and what is wrong after it."""

    seconds: float
    events: int
    endpoints: int
    statuses: Counter[str]
    requests: int
    kills: int
    cut_by_kills: int
    cut_by_outages: int
    duplicates: int
    unexplained: Counter[str]
    lost: Sequence[str]
    wrongly_ended: Sequence[str]
    altered: Sequence[str]
    miscounted: Sequence[str]
    samples: int
    wrong_samples: Sequence[str]
    over_cap: Sequence[str]
    over_rate: Sequence[str]
    unplanned_ends: Sequence[int]
    freed: int
    taken_from_the_living: int
    """Attempts whose lease was lost to others, by dispatchers that lived: in PostgreSQL's absence they can't say so."""
    audit: Sequence[str]
    bad_news: Sequence[str]

    def __str__(self) -> str:
        ledger = ", ".join(f"{count:,} {status}" for status, count in sorted(self.statuses.items()))
        return (
            f"{self.events:,} events, {self.statuses.total():,} deliveries at {self.endpoints} endpoints"
            f" in {self.seconds:.0f} s ({ledger}); {self.requests:,} requests\n"
            f"{self.kills} kills cut {self.cut_by_kills} attempts short, the end of PostgreSQL {self.cut_by_outages}:"
            f" {self.duplicates} duplicates, at most {self.cut_by_kills + self.cut_by_outages};"
            f" {self.unexplained.total()} of other deliveries; {self.freed} leases freed,"
            f" {self.taken_from_the_living} of dispatchers that lived\n"
            f"lost {len(self.lost)}, altered {len(self.altered)}, miscounted {len(self.miscounted)},"
            f" over a cap {len(self.over_cap)}, over a rate {len(self.over_rate)}, audit findings {len(self.audit)};"
            f" the ledger held in {self.samples - len(self.wrong_samples)} of {self.samples} samples"
        )


@dataclass
class _Run:
    """Everybody who takes part in a run, and the deeds that are done to them."""

    plan: Plan
    postgres: Process
    redis: RedisServer
    database: Database
    dispatchers: Dispatchers
    shop: Shop
    ledger: Ledger
    sink_url: str
    steady: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while leases are counted: one death at a time."""

    async def go_on(self) -> None:
        """Let the events happen and everything else with them, until all is at rest."""
        at_rest, sold = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.ledger.watch(at_rest))
            group.create_task(self.kill_until(sold))
            wreaking = group.create_task(self.wreak())
            await self.shop.sell()
            sold.set()
            await wreaking
            await self.come_to_rest()
            at_rest.set()

    async def kill_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            started = time.monotonic()
            async with self.steady:
                await self.dispatchers.kill()
            left = self.plan.kill_every_seconds - (time.monotonic() - started)
            try:
                await asyncio.wait_for(stop.wait(), max(0.0, left))
            except TimeoutError:
                continue

    async def wreak(self) -> None:
        """All that happens beside the kills, each when its share of the events has been committed."""
        deeds: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            (0.15, lambda: self._change("paused", EndpointStatus.PAUSED)),
            (0.3, lambda: self._mend("down")),
            (0.35, self._take_redis_away),
            (0.5, self._restart_postgres),
            (0.6, lambda: self._change("paused", EndpointStatus.ENABLED)),
            (0.55, lambda: self._change("deleted", EndpointStatus.PAUSED)),
            (0.65, lambda: self._change("deleted", EndpointStatus.DELETED)),
            (0.7, self._mend_and_replay),
            *((0.1 + 0.8 * number / self.plan.flushes, self._flush) for number in range(self.plan.flushes)),
        ]
        async with asyncio.TaskGroup() as group:
            for share, deed in deeds:
                group.create_task(self._do_at(share, deed))

    async def _do_at(self, share: float, deed: Callable[[], Awaitable[None]]) -> None:
        await wait_until(lambda: self.shop.progress >= share, seconds=3600)
        await deed()

    async def _flush(self) -> None:
        while True:
            try:
                async with redis.asyncio.Redis.from_url(self.redis.url) as client:
                    await client.flushall()
            except redis.asyncio.ConnectionError:
                await asyncio.sleep(0.2)
            else:
                return

    async def _take_redis_away(self) -> None:
        await self.redis.stop()
        await asyncio.sleep(self.plan.redis_down_seconds)
        await self.redis.start()

    async def _restart_postgres(self) -> None:
        """At once: sessions are cut off in the middle of what they do, and the log is replayed."""
        async with self.steady:
            await self.postgres.stop()
            await asyncio.sleep(POSTGRES_DOWN_SECONDS)
            async with self.dispatchers.still():
                await self.postgres.start()

    async def _change(self, name: str, status: EndpointStatus) -> None:
        shelf = self.shop.shelf(name)
        async with self.database.transaction() as connection:
            before = await lock_endpoint(connection, shelf.id, merchant_id=shelf.merchant_id, livemode=False)
            await save_endpoint(connection, with_status(before, status, now=system_clock()), before=before)

    async def _mend_and_replay(self) -> None:
        """When all is exhausted that the broken endpoint was owed, it works again, and its merchant asks for it."""
        shelf = self.shop.shelf("broken")

        async def is_exhausted() -> bool:
            return not await read_rows(self.database, BROKEN_LEFT, id=shelf.id)

        await wait_until(is_exhausted, seconds=self.plan.rest_seconds_most)
        await self._mend("broken")
        now = system_clock()
        async with self.database.statement() as connection:
            await insert_replay(
                connection,
                shelf.id,
                source=ReplaySource.MERCHANT,
                which=ReplayWhich.FAILED,
                created_from=now - timedelta(hours=1),
                created_to=now,
                now=now,
            )

    async def _mend(self, kind: str) -> None:
        """Have the endpoint that fails work again; its breaker may be open."""
        await asyncio.to_thread(urllib.request.urlopen, f"{self.sink_url}{MEND}{kind}")

    async def come_to_rest(self) -> None:
        async def nothing_is_under_way() -> bool:
            return not await read_rows(self.database, UNDER_WAY)

        await wait_until(nothing_is_under_way, seconds=self.plan.rest_seconds_most)


async def wreak_chaos(plan: Plan, folder: Path) -> Report:
    """Let the events happen while everything falls, let all come to rest, and read what is there."""
    started = time.monotonic()
    async with (
        falling_postgres(folder) as (postgres, url),
        redis_server() as server,
        running_sink(folder / "diary") as sink_url,
        bell(server.url) as payments,
        bell(server.url, WEBHOOKS_STREAM) as webhooks,
    ):
        database = Database(normalize_database_url(url), application_name="chaos", pool_size=10)
        ringer, closed = Ringer(payments, webhooks), asyncio.Event()
        ringing = asyncio.create_task(ringer.run(closed))
        shop = Shop(
            database,
            Keyring(MASTER_KEY),
            ringer,
            plan.events,
            plan.per_second,
            random.Random(plan.seed),  # noqa: S311 -- a repeatable run is the point.
        )
        await shop.open(sink_url)
        dispatchers = Dispatchers(database, _settings(url, server.url), folder)
        run = _Run(plan, postgres, server, database, dispatchers, shop, Ledger(shop, database), sink_url)
        async with dispatchers.running(PLACES):
            await run.go_on()
        closed.set()
        await ringing
        seconds = time.monotonic() - started
        report = await _read_books(run, folder, seconds)
        await database.close()
    return report


async def _read_books(run: _Run, folder: Path, seconds: float) -> Report:
    database, dispatchers, ledger = run.database, run.dispatchers, run.ledger
    await number_all_events(database)
    columns = "id, event_id, endpoint_id, status, attempts, schedule_from"
    books = Books(
        shop=run.shop,
        requests=read_diary(folder / "diary"),
        deliveries=await read_rows(database, f"SELECT {columns} FROM webhook_deliveries"),
        cut_short=dispatchers.cut_short,
        attempts_most=len(INTERVALS) + 1,
        in_flight_most=IN_FLIGHT_MOST,
    )
    lines = dispatchers.log_lines()
    return Report(
        seconds=seconds,
        events=run.shop.committed,
        endpoints=len(run.shop.shelves),
        statuses=Counter(row["status"] for row in books.deliveries),
        requests=len(books.requests),
        kills=dispatchers.kills,
        cut_by_kills=dispatchers.cut_by_kills,
        cut_by_outages=dispatchers.cut_by_outages,
        duplicates=books.duplicates().total(),
        unexplained=books.unexplained(),
        lost=books.lost(),
        wrongly_ended=books.wrongly_ended(),
        altered=await books.altered(database),
        miscounted=[str(row) for row in await read_rows(database, MISCOUNTED)],
        samples=ledger.samples,
        wrong_samples=ledger.wrong,
        over_cap=books.over_cap(),
        over_rate=books.over_rate(),
        unplanned_ends=dispatchers.unplanned_ends,
        freed=sum(line["count"] for line in lines if line["event"] == "leases.freed"),
        taken_from_the_living=sum(line.get("status") == "lease_lost" for line in lines),
        audit=await read_audit(database),
        bad_news=[str(line) for line in lines if line["event"] in BAD_NEWS or "text" in line],
    )


def _settings(database_url: str, redis_url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "GATEWAY_MASTER_KEY": MASTER_KEY,
        "HOST": "127.0.0.1",
        "JOB_TIMEOUT_SECONDS": "10",
        "WEBHOOK_TIMEOUT_SECONDS": "5",
        "WORKER_SILENT_AFTER_SECONDS": str(SILENT_AFTER_SECONDS),
        "WEBHOOK_ALLOW_PRIVATE_NETWORKS": "true",
        "WEBHOOK_IN_FLIGHT_PER_ENDPOINT": str(IN_FLIGHT_MOST),
        "WEBHOOK_RETRY_INTERVALS": ",".join(map(str, INTERVALS)),
    }

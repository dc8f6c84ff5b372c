"""All who touch deliveries at once, at random: nothing waits unseen, no limit is broken, nobody waits in a circle.

`CLAIM_SEEDS=100 CLAIM_SECONDS=10` makes more and longer runs of it than `make test` does.
"""

import asyncio
import os
import time
from typing import Any

import pytest
from tests.support.deliveries import add_endpoint
from tests.support.delivery_crowd import IN_FLIGHT_MOST, WORKERS, Crowd
from tests.support.measuring import Measure
from tests.support.records import read_rows

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.settings import normalize_database_url

SEEDS = range(int(os.environ.get("CLAIM_SEEDS", "2")))
SECONDS = float(os.environ.get("CLAIM_SECONDS", "4"))
REST_SECONDS_MOST = 30.0
RATE = 60
BURST_SECONDS = 0.1
# True of every moment, for what makes a row wait and what has its endpoint looked at commit together.
UNSEEN = """
SELECT health.endpoint_id, oldest.due_at, health.look_at, health.blocked_until
FROM webhook_endpoint_health AS health
JOIN webhook_endpoints AS endpoint ON endpoint.id = health.endpoint_id AND endpoint.status = 'enabled'
CROSS JOIN LATERAL (
    SELECT min(due_at) AS due_at FROM webhook_deliveries AS delivery
    WHERE delivery.endpoint_id = health.endpoint_id AND delivery.lane = 1
        AND delivery.due_at IS NOT NULL AND delivery.worker_id IS NULL
) AS oldest
WHERE oldest.due_at IS NOT NULL AND coalesce(health.look_at, 'infinity') > greatest(
    oldest.due_at, health.blocked_until,
    now() + make_interval(secs => coalesce(1.0 / endpoint.rate_limit_per_second, 0))
)
"""
OVER_LIMIT = """
SELECT endpoint.id, busy.count, health.tokens
FROM webhook_endpoints AS endpoint
JOIN webhook_endpoint_health AS health ON health.endpoint_id = endpoint.id
CROSS JOIN LATERAL (
    SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = endpoint.id AND worker_id IS NOT NULL
) AS busy
WHERE busy.count > coalesce(endpoint.max_in_flight, :in_flight_most) OR health.tokens < 0
"""
UNBALANCED = """
SELECT given.count AS given, found.count AS found
FROM (SELECT sum(fan_out) FROM events) AS given (count), (SELECT count(*) FROM webhook_deliveries) AS found
WHERE given.count <> found.count
"""
MISCOUNTED = """
SELECT delivery.id, delivery.attempts, found.count, found.highest
FROM webhook_deliveries AS delivery
CROSS JOIN LATERAL (
    SELECT count(*), coalesce(max(number), 0) AS highest FROM webhook_attempts WHERE delivery_id = delivery.id
) AS found
WHERE found.count <> delivery.attempts OR found.highest <> delivery.attempts
"""
WAITING = """
SELECT id, endpoint_id, status, due_at - now() AS due_in, worker_id, lane FROM webhook_deliveries
WHERE status IN ('pending', 'held') OR due_at IS NOT NULL OR worker_id IS NOT NULL
"""
CLAIMS = """
SELECT sum(delivery.claim) AS claims, extract(epoch FROM max(now()) - min(delivery.created_at))::float AS seconds
FROM webhook_deliveries AS delivery WHERE delivery.endpoint_id = :endpoint_id
"""


async def watch(database: Database, stop: asyncio.Event) -> list[str]:
    """What is wrong at any moment until then."""
    wrong = []
    while not stop.is_set():
        for query in (UNSEEN, OVER_LIMIT, UNBALANCED):
            wrong += [str(row) for row in await read_rows(database, query, in_flight_most=IN_FLIGHT_MOST)]
        await asyncio.sleep(0.01)
    return wrong


async def come_to_rest(crowd: Crowd, database: Database) -> float:
    """Look as dispatchers do until nothing waits any more; the seconds it took."""
    started = time.monotonic()
    await crowd.rest()
    while await read_rows(database, WAITING):
        if time.monotonic() - started > REST_SECONDS_MOST:
            break
        await asyncio.gather(*(crowd.deliver_all(worker_id) for worker_id in WORKERS))
        await asyncio.sleep(0.01)
    return time.monotonic() - started


@pytest.mark.parametrize("seed", SEEDS)
async def test_whoever_comes_in_between_nothing_is_left_behind_and_no_limit_is_broken(
    database: Database, database_url: str, keyring: Keyring, measure: Measure, seed: int
) -> None:
    url = "https://shop.example/hook"
    limits: list[dict[str, Any]] = [{}, {"max_in_flight": 1}, {"max_in_flight": 3}, {"rate_limit_per_second": RATE}]
    ids = [(await add_endpoint(database, keyring, url, **values)).id for values in limits]
    limited_id, doomed = ids[-1], await add_endpoint(database, keyring, url)
    crowded = Database(normalize_database_url(database_url), application_name="crowd", pool_size=20)
    crowd = Crowd(crowded, [*ids, doomed.id], doomed_id=doomed.id, seed=seed)

    stop = asyncio.Event()
    watching = asyncio.create_task(watch(database, stop))
    await crowd.act(seconds=SECONDS)
    seconds = await come_to_rest(crowd, database)
    stop.set()
    # Each connection says what it counted at the latest when it ends.
    await crowded.close()
    wrong = await watching

    [claims] = await read_rows(database, CLAIMS, endpoint_id=limited_id)
    ended = await read_rows(database, "SELECT status, count(*) FROM webhook_deliveries GROUP BY status ORDER BY status")
    measure(f"seed {seed}: {[tuple(row.values()) for row in ended]}, at rest after {seconds:.1f} s")
    assert wrong == []
    assert crowd.overlooked == []
    assert crowd.wrongly_recorded == 0
    assert await read_rows(database, WAITING) == []
    assert await read_rows(database, MISCOUNTED) == []
    assert claims["claims"] <= RATE * (claims["seconds"] + BURST_SECONDS) + 1
    counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert await read_rows(database, counted) == [{"deadlocks": 0}]

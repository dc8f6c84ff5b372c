"""Redis is away: real processors go on from PostgreSQL alone, drain as ever, and hear rings again when it is back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.measuring import Measure
from tests.support.merchants import ringing_merchant
from tests.support.processor_process import processor_process
from tests.support.records import read_event_types, read_rows, read_simulator_requests
from tests.support.redis_server import RedisServer, redis_server
from tests.support.waiting import wait_until

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database

AUTHORIZED = ["payment.created", "payment.processing", "payment.success"]
START_SECONDS = 60.0
TAKEN_UP_SECONDS = 5.0


async def count(database: Database, condition: str) -> int:
    [row] = await read_rows(database, f"SELECT count(*) FROM payments WHERE {condition}")
    return int(row["count"])


async def successes_are(database: Database, expected: int) -> bool:
    return await count(database, "status = 'success'") == expected


async def assert_each_was_authorized_once(database: Database, payment_ids: list[str]) -> None:
    for payment_id in payment_ids:
        assert await read_simulator_requests(database, payment_id) == {"authorize": 1}
        assert await read_event_types(database, payment_id) == AUTHORIZED
    assert await count(database, "attempt > 1 OR worker_id IS NOT NULL") == 0


async def test_payments_made_while_redis_is_away_are_done_by_two_processors_and_once(
    database: Database, database_url: str, keyring: Keyring, master_key: str, measure: Measure
) -> None:
    async with (
        redis_server() as server,
        ringing_merchant(database, keyring, server.url) as merchant,
        processor_process(database_url, server.url, master_key, PROCESSING_DELAY_MIN_MS="500") as first,
        processor_process(database_url, server.url, master_key, PROCESSING_DELAY_MIN_MS="500") as second,
    ):
        await wait_until(lambda: workers_are(database, 2), seconds=START_SECONDS)
        payment_ids = [await merchant.create() for _ in range(10)]
        await wait_until(lambda: successes_are(database, 10))

        await server.stop()
        payment_ids += [await merchant.create() for _ in range(40)]
        await wait_until(lambda: successes_are(database, 50), seconds=TAKEN_UP_SECONDS)
        [waited] = await read_rows(
            database, "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY updated_at - created_at) FROM payments"
        )
        measure(f"median from created to success, {waited['percentile_cont'].total_seconds():.1f} s of 0.5 s delay")

        await server.start()
        payment_ids += [await merchant.create() for _ in range(10)]
        await wait_until(lambda: successes_are(database, 60))
        for process in (first, second):
            process.terminate()
            assert await process.wait() == 0

    await assert_each_was_authorized_once(database, payment_ids)


async def test_without_redis_no_more_payments_are_taken_than_there_are_slots_and_sigterm_drains_them(
    database: Database, database_url: str, keyring: Keyring, master_key: str
) -> None:
    async with (
        stopped_redis() as server,
        ringing_merchant(database, keyring, server.url) as merchant,
        processor_process(
            database_url, server.url, master_key, PROCESSING_DELAY_MIN_MS="2000", PROCESSOR_CONCURRENCY="3"
        ) as process,
    ):
        await wait_until(lambda: workers_are(database, 1), seconds=START_SECONDS)
        payment_ids = [await merchant.create() for _ in range(8)]
        await wait_until(lambda: processing_are(database, 3), seconds=TAKEN_UP_SECONDS)
        await asyncio.sleep(1)
        assert await processing_are(database, 3)

        process.terminate()
        assert await process.wait() == 0

    assert await successes_are(database, 3)
    assert await count(database, "status = 'pending' AND attempt = 0 AND worker_id IS NULL") == 5
    assert await read_rows(database, "SELECT FROM workers") == []
    done = [row["id"] for row in await read_rows(database, "SELECT id FROM payments WHERE status = 'success'")]
    assert set(done) < set(payment_ids)
    await assert_each_was_authorized_once(database, done)


@asynccontextmanager
async def stopped_redis() -> AsyncIterator[RedisServer]:
    """The address of a Redis that is away from the start."""
    async with redis_server() as server:
        await server.stop()
        yield server


async def processing_are(database: Database, expected: int) -> bool:
    return await count(database, "status = 'processing'") == expected


async def workers_are(database: Database, expected: int) -> bool:
    return len(await read_rows(database, "SELECT FROM workers")) == expected

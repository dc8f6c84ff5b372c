"""The sweeper on a real PostgreSQL and Redis: what it rings for, and when it holds its peace."""

import asyncio

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from tests.support.doorbell import bell, ring
from tests.support.records import LEASE_LIMIT_SECONDS, read_rows, store_payments, write_rows
from tests.support.redis_server import redis_server

from gateway_common.db.database import Database
from gateway_common.queue.broker import DoorbellBroker
from gateway_common.queue.messages import PAYMENTS_STREAM
from gateway_common.queue.ringer import Ringer
from gateway_processor.sweeper import SHORT_STREAM, Sweeper

RUNG_BEFORE = "UPDATE payments SET rung_at = now() - make_interval(secs => :seconds)"


def new_sweeper(database: Database, broker: DoorbellBroker) -> tuple[Sweeper, Ringer]:
    ringer = Ringer(broker, broker)
    return Sweeper(database, broker, ringer, listener=broker, lease_limit_seconds=LEASE_LIMIT_SECONDS), ringer


async def count_marked(database: Database) -> int:
    """How many rows say that they were rung for just now."""
    [row] = await read_rows(database, "SELECT count(*) FROM payments WHERE rung_at > now() - interval '1 second'")
    return int(row["count"])


async def test_a_lost_ring_is_rung_again_a_second_later(database: Database, redis_url: str) -> None:
    [payment] = await store_payments(database)
    async with bell(redis_url) as broker:
        sweeper, ringer = new_sweeper(database, broker)
        await sweeper.sweep()
        assert not ringer._waiting, "the API's own ring is still fresh"

        await write_rows(database, RUNG_BEFORE, seconds=1.1)
        await sweeper.sweep()

        assert list(ringer._waiting) == [payment.id]


@pytest.mark.parametrize(("rung_before_seconds", "is_rung"), [(4, False), (8, False), (10, True)])
async def test_a_row_whose_ring_may_still_stand_unread_is_not_rung_for_again(
    database: Database, redis_url: str, rung_before_seconds: float, *, is_rung: bool
) -> None:
    await store_payments(database)
    await write_rows(database, RUNG_BEFORE, seconds=rung_before_seconds)
    async with bell(redis_url) as broker, Redis.from_url(redis_url) as client:
        await broker.startup()
        await send_before(client, 4)
        sweeper, ringer = new_sweeper(database, broker)

        await sweeper.sweep()

        assert bool(ringer._waiting) == is_rung


async def send_before(client: Redis, seconds: int) -> None:
    """Send a message that says it was sent so long ago."""
    now, _ = await client.time()
    await client.xadd(PAYMENTS_STREAM, {b"data": b""}, id=f"{(now - seconds) * 1000}-0")


@pytest.mark.parametrize("is_flushed", [False, True], ids=["with its group", "flushed, its group not yet made again"])
async def test_a_long_stream_is_not_made_longer(database: Database, redis_url: str, *, is_flushed: bool) -> None:
    await store_payments(database)
    await write_rows(database, RUNG_BEFORE, seconds=3600)
    async with bell(redis_url) as broker, Redis.from_url(redis_url) as client:
        await broker.startup()
        if is_flushed:
            await client.flushall()
        await ring(broker, *(f"pay_{number}" for number in range(SHORT_STREAM)))
        sweeper, ringer = new_sweeper(database, broker)

        await sweeper.sweep()

        assert not ringer._waiting
        assert await count_marked(database) == 0


async def test_while_redis_is_away_leases_are_freed_and_rows_are_handed_to_the_free_slots_alone(
    database: Database,
) -> None:
    await store_payments(database, 5)
    await write_rows(database, RUNG_BEFORE, seconds=3600)
    await write_rows(database, "UPDATE payments SET worker_id = 'wrk_dead', leased_at = now()")
    async with redis_server() as server, bell(server.url) as broker:
        broker.read_at_most(lambda: 3)
        sweeper, ringer = new_sweeper(database, broker)
        await server.stop()

        await sweeper.sweep()
        await sweeper.sweep()

    assert not ringer._waiting
    assert len(broker._handed_over) == await count_marked(database) == 3
    assert broker.free_slots == 0
    assert await read_rows(database, "SELECT FROM payments WHERE worker_id IS NOT NULL") == []


async def test_rows_are_handed_over_too_when_redis_answers_but_takes_no_rings(database: Database) -> None:
    await store_payments(database, 2)
    await write_rows(database, RUNG_BEFORE, seconds=3600)
    async with redis_server() as server, bell(server.url) as broker, Redis.from_url(server.url) as client:
        broker.read_at_most(lambda: 10)
        sweeper, ringer = new_sweeper(database, broker)
        await broker.startup()
        await client.config_set("maxmemory", 1)

        await sweeper.sweep()
        await ringer._flush()
        assert not broker._handed_over, "it looked well"
        await write_rows(database, RUNG_BEFORE, seconds=2)
        await sweeper.sweep()

        assert await broker.find_lag() == 0
    assert len(broker._handed_over) == 2


async def test_a_sweep_fills_a_short_stream_at_once_and_no_further(database: Database, redis_url: str) -> None:
    for _ in range(3):
        await store_payments(database, 500)
    await write_rows(database, "UPDATE payments SET rung_at = NULL")
    async with bell(redis_url) as broker:
        await broker.startup()
        await ring(broker, *(f"pay_{number}" for number in range(300)))
        sweeper, ringer = new_sweeper(database, broker)

        assert await sweeper.sweep(), "the stream was nearly empty, and there is more"

    assert len(ringer._waiting) == await count_marked(database) == SHORT_STREAM - 300


@pytest.mark.parametrize(("due", "unread"), [(SHORT_STREAM, SHORT_STREAM - 100), (10, 0)], ids=["full", "nothing left"])
async def test_the_next_sweep_may_wait_when_the_stream_is_nearly_full_or_nothing_is_left(
    database: Database, redis_url: str, due: int, unread: int
) -> None:
    await store_payments(database, due)
    await write_rows(database, "UPDATE payments SET rung_at = NULL")
    async with bell(redis_url) as broker:
        await broker.startup()
        await ring(broker, *(f"pay_{number}" for number in range(unread)))
        sweeper, ringer = new_sweeper(database, broker)

        assert not await sweeper.sweep()

    assert len(ringer._waiting) == min(due, SHORT_STREAM - unread)


async def test_while_there_is_more_to_do_a_row_that_a_worker_has_read_is_not_rung_for_after_a_second(
    database: Database, redis_url: str
) -> None:
    await store_payments(database, SHORT_STREAM + 1)
    await write_rows(database, "UPDATE payments SET rung_at = NULL")
    async with bell(redis_url) as broker:
        sweeper, ringer = new_sweeper(database, broker)
        await sweeper.sweep()
        ringer._waiting.clear()
        await write_rows(database, "UPDATE payments SET rung_at = rung_at - interval '2 seconds'")

        await sweeper.sweep()
        assert len(ringer._waiting) == 1, "the one that was left"
        ringer._waiting.clear()
        await sweeper.sweep()

    assert len(ringer._waiting) == SHORT_STREAM, "nothing more to do, so their rings were lost"


async def test_a_dead_workers_payments_are_freed_and_rung_for_in_one_sweep(database: Database, redis_url: str) -> None:
    payments = await store_payments(database, 3)
    await write_rows(database, "UPDATE payments SET worker_id = 'wrk_dead', leased_at = now()")
    async with bell(redis_url) as broker:
        sweeper, ringer = new_sweeper(database, broker)

        await sweeper.sweep()

        assert set(ringer._waiting) == {payment.id for payment in payments}


async def test_two_sweepers_at_once_ring_once_for_each_of_thousands_of_rows(database: Database, redis_url: str) -> None:
    for _ in range(3):
        await store_payments(database, 1_000)
    await write_rows(database, "UPDATE payments SET rung_at = NULL")
    async with bell(redis_url) as broker:
        (first, first_ringer), (second, second_ringer) = (new_sweeper(database, broker) for _ in range(2))

        for _ in range(4):
            await asyncio.gather(first.sweep(), second.sweep())

    assert not set(first_ringer._waiting) & set(second_ringer._waiting)
    assert len(first_ringer._waiting) + len(second_ringer._waiting) == 3_000


async def test_lateness_and_count_of_due_rows_are_measured(database: Database, redis_url: str) -> None:
    await store_payments(database, 3)
    await write_rows(database, "UPDATE payments SET due_at = now() - interval '90 seconds'")
    async with bell(redis_url) as broker:
        sweeper, _ = new_sweeper(database, broker)

        await sweeper.measure()

    assert REGISTRY.get_sample_value("gateway_due", {"queue": "payments"}) == 3
    oldest_seconds = REGISTRY.get_sample_value("gateway_oldest_due_age_seconds", {"queue": "payments"})
    assert oldest_seconds is not None
    assert 90 <= oldest_seconds < 120

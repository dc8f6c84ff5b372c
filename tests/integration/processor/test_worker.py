"""Workers whole: receiver, sweeper, renewals and leases together, against a real PostgreSQL and Redis.

A queue that delivers at most once is enough, because of what these tests show: whatever dies or is lost, a living
worker takes it up again, and nothing is done twice.
"""

import asyncio

from redis.asyncio import Redis
from tests.support.merchants import Merchant
from tests.support.processing import QUICK, new_processor, running_worker
from tests.support.processor_process import StartProcessor
from tests.support.providers import ScriptedProvider
from tests.support.records import (
    read_event_types,
    read_lease,
    read_payment,
    read_rows,
    read_simulator_requests,
    write_rows,
)
from tests.support.waiting import wait_until

from gateway_common.db.database import Database
from gateway_common.payments.model import PaymentStatus
from gateway_common.queue.messages import GROUP, PAYMENTS_STREAM
from gateway_common.queue.ringer import Ringer
from gateway_processor.providers.base import Approved
from gateway_processor.providers.simulator import Simulator

AUTHORIZED = ["payment.created", "payment.processing", "payment.success"]
LET_WORKERS_FALL_SILENT = "UPDATE workers SET seen_at = now() - interval '16 seconds' WHERE id = ANY(:ids)"
WORK_FOR_SECONDS = 3.0


async def statuses_are(database: Database, expected: dict[PaymentStatus, int]) -> bool:
    rows = await read_rows(database, "SELECT status, count(*) AS count FROM payments GROUP BY status")
    return {row["status"]: row["count"] for row in rows} == expected


async def assert_each_was_authorized_once(database: Database, payment_ids: list[str]) -> None:
    for payment_id in payment_ids:
        assert await read_simulator_requests(database, payment_id) == {"authorize": 1}
        assert await read_event_types(database, payment_id) == AUTHORIZED


async def test_without_any_ring_the_sweeper_finds_the_work(
    database: Database, redis_url: str, merchant: Merchant
) -> None:
    payment_ids = [await merchant.create() for _ in range(5)]

    async with running_worker(database, redis_url, Simulator(database, QUICK), worker_id="wrk_1"):
        await wait_until(lambda: statuses_are(database, {PaymentStatus.SUCCESS: 5}))

    await assert_each_was_authorized_once(database, payment_ids)


async def test_a_job_longer_than_any_idle_time_runs_once(
    database: Database, redis_url: str, merchant: Merchant
) -> None:
    payment_id = await merchant.create()
    provider = ScriptedProvider()
    async with (
        running_worker(database, redis_url, provider, worker_id="wrk_1") as first,
        running_worker(database, redis_url, provider, worker_id="wrk_2"),
    ):
        await wait_until(lambda: len(provider.asked) == 1)
        # Older than a silent worker's time, but its worker is not silent. And somebody rings all the while.
        await write_rows(database, "UPDATE payments SET leased_at = leased_at - interval '20 seconds', rung_at = NULL")
        loop = asyncio.get_running_loop()
        until = loop.time() + WORK_FOR_SECONDS
        while loop.time() < until:
            await first.broker.ring("payments.process", [{"payment_id": payment_id}] * 3, [{}] * 3)
            await asyncio.sleep(0.1)

        assert len(provider.asked) == 1
        provider.answer(Approved())
        await wait_until(lambda: statuses_are(database, {PaymentStatus.SUCCESS: 1}))

    assert len(provider.asked) == 1
    assert await read_event_types(database, payment_id) == AUTHORIZED


async def test_two_workers_share_twenty_payments_evenly(
    database: Database, redis_url: str, merchant: Merchant, ringer: Ringer
) -> None:
    providers = {"wrk_1": ScriptedProvider(), "wrk_2": ScriptedProvider()}
    async with (
        running_worker(database, redis_url, providers["wrk_1"], worker_id="wrk_1", concurrency=2) as first,
        running_worker(database, redis_url, providers["wrk_2"], worker_id="wrk_2", concurrency=2),
    ):
        for _ in range(20):
            await merchant.create()
        await ringer._flush()
        for done in range(0, 20, 4):
            await wait_until(
                lambda asked=done // 2 + 2: all(len(each.asked) == asked for each in providers.values())  # type: ignore[misc]
            )
            assert await first.broker.lag() == 16 - done
            for provider in providers.values():
                provider.answer(Approved())
                provider.answer(Approved())
        await wait_until(lambda: statuses_are(database, {PaymentStatus.SUCCESS: 20}))

    assert [len(provider.asked) for provider in providers.values()] == [10, 10]


async def test_flushed_in_the_middle_of_everything_nothing_is_lost(
    database: Database, redis_url: str, merchant: Merchant, ringer: Ringer
) -> None:
    simulator = Simulator(database, QUICK)
    async with (
        Redis.from_url(redis_url) as client,
        running_worker(database, redis_url, simulator, worker_id="wrk_1", concurrency=5),
        running_worker(database, redis_url, simulator, worker_id="wrk_2", concurrency=5),
    ):
        payment_ids = [await merchant.create() for _ in range(40)]
        await ringer._flush()
        await wait_until(lambda: _some_are(database, PaymentStatus.SUCCESS))

        await client.flushall()
        payment_ids += [await merchant.create() for _ in range(10)]
        await wait_until(lambda: statuses_are(database, {PaymentStatus.SUCCESS: 50}))

        [group] = await client.xinfo_groups(PAYMENTS_STREAM)
        assert group["name"] == GROUP.encode()
    await assert_each_was_authorized_once(database, payment_ids)


async def _some_are(database: Database, status: PaymentStatus) -> bool:
    return bool(await read_rows(database, "SELECT FROM payments WHERE status = :status LIMIT 1", status=status))


async def test_a_job_longer_than_the_drain_limit_gives_its_lease_back_and_another_worker_asks_first(
    database: Database, redis_url: str, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create()
    slow = ScriptedProvider()
    async with running_worker(database, redis_url, slow, worker_id="wrk_1", drain_seconds=0.3) as worker:
        await wait_until(lambda: len(slow.asked) == 1)
        worker.stop.set()
        await worker.listening
        assert (await read_lease(database, payment_id))["worker_id"] == "wrk_1"

    lease = await read_lease(database, payment_id)
    assert (lease["worker_id"], lease["rung_at"]) == (None, None)
    assert lease["due_in_seconds"] <= 0
    quick = ScriptedProvider(Approved())
    await new_processor(database, ringer, quick, worker_id="wrk_2").process(payment_id)
    assert [call for call, _, _ in quick.asked] == ["status"]

    # The old process would be gone by now; should it still get its answer, that changes nothing.
    slow.answer(Approved())
    await asyncio.sleep(0.1)
    assert await read_event_types(database, payment_id) == AUTHORIZED


async def test_an_idle_survivor_takes_over_what_a_killed_process_was_at(
    database: Database, redis_url: str, merchant: Merchant, start_processor: StartProcessor
) -> None:
    payment_ids = [await merchant.create() for _ in range(6)]
    async with start_processor(PROCESSING_DELAY_MIN_MS="3000") as doomed:
        await wait_until(lambda: statuses_are(database, {PaymentStatus.PROCESSING: 6}))
        holders = await read_rows(database, "SELECT DISTINCT worker_id FROM payments")
        survivor = ScriptedProvider()
        async with running_worker(database, redis_url, survivor, worker_id="wrk_survivor"):
            doomed.kill()
            await doomed.wait()
            await asyncio.sleep(0.5)
            assert await read_rows(database, "SELECT DISTINCT worker_id FROM payments") == holders
            assert survivor.asked == [], "a worker is not dead for being quiet for a moment"

            await write_rows(database, LET_WORKERS_FALL_SILENT, ids=[row["worker_id"] for row in holders])
            await wait_until(lambda: len(survivor.asked) == 6)
            assert {call for call, _, _ in survivor.asked} == {"status"}
            for _ in payment_ids:
                survivor.answer(Approved())
            await wait_until(lambda: statuses_are(database, {PaymentStatus.SUCCESS: 6}))

    assert len(holders) == 1
    await assert_each_was_authorized_once(database, payment_ids)


async def test_sigterm_ends_running_jobs_leaves_the_backlog_and_exits_cleanly(
    database: Database, merchant: Merchant, ringer: Ringer, start_processor: StartProcessor
) -> None:
    payment_ids = [await merchant.create() for _ in range(6)]
    await ringer._flush()
    async with start_processor(PROCESSING_DELAY_MIN_MS="1500", PROCESSOR_CONCURRENCY="2") as process:
        await wait_until(lambda: statuses_are(database, {PaymentStatus.PROCESSING: 2, PaymentStatus.PENDING: 4}))
        process.terminate()
        assert await process.wait() == 0

    assert await statuses_are(database, {PaymentStatus.SUCCESS: 2, PaymentStatus.PENDING: 4})
    assert await read_rows(database, "SELECT FROM payments WHERE worker_id IS NOT NULL") == []
    assert await read_rows(database, "SELECT FROM workers") == []
    assert await ringer._payments.lag() == 4
    done = [each for each in payment_ids if (await read_payment(database, each)).status is PaymentStatus.SUCCESS]
    await assert_each_was_authorized_once(database, done)

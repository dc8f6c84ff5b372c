"""The queue's contract, run on every version of Taskiq and Redis: what a worker hears, whatever happens to Redis.

What it loses by design (delivery is at most once) comes back from PostgreSQL: tests/integration/processor.
"""

import asyncio
import logging
import time

import pytest
import structlog
from redis.asyncio import Redis
from tests.support.doorbell import Gate, Listener, bell, listening, new_broker, ring
from tests.support.redis_server import redis_server, silent_server
from tests.support.waiting import wait_until

from gateway_common.queue.broker import BLOCK_MS, DoorbellBroker, QueueUnavailableError
from gateway_common.queue.messages import GROUP, PAYMENTS_STREAM

OUTAGE_SECONDS = 3.0


async def test_rings_sent_before_the_first_worker_ever_started_are_heard(redis_url: str) -> None:
    async with bell(redis_url) as ringing:
        await ring(ringing, "pay_1", "pay_2")

        async with listening(redis_url) as worker:
            await wait_until(lambda: worker.ended.total() == 2)

        assert worker.started == {"pay_1": 1, "pay_2": 1}


async def test_a_job_hears_the_id_it_was_rung_for_and_runs_once(redis_url: str) -> None:
    async with bell(redis_url) as ringing, listening(redis_url) as worker:
        for number in range(50):
            await ring(ringing, f"pay_{number}")
        await wait_until(lambda: worker.ended.total() == 50)

    assert worker.started == {f"pay_{number}": 1 for number in range(50)}


async def test_a_running_job_outlives_an_outage_of_redis_and_the_next_ring_is_heard() -> None:
    gate = Gate()
    async with redis_server() as server, bell(server.url) as ringing, listening(server.url, gate) as worker:
        await ring(ringing, "pay_running")
        await wait_until(lambda: "pay_running" in worker.running)

        await server.stop()
        await asyncio.sleep(OUTAGE_SECONDS)
        await server.start()
        gate.opened.set()
        await wait_until(lambda: worker.ended["pay_running"] == 1)
        await ring(ringing, "pay_next")
        await wait_until(lambda: worker.ended["pay_next"] == 1)

        assert worker.started == {"pay_running": 1, "pay_next": 1}
        assert not worker.listening.done()


async def test_a_running_job_outlives_a_flush_and_later_rings_are_heard_by_a_new_group(redis_url: str) -> None:
    gate = Gate()
    async with bell(redis_url) as ringing, listening(redis_url, gate) as worker, Redis.from_url(redis_url) as client:
        await ring(ringing, "pay_running")
        await wait_until(lambda: "pay_running" in worker.running)

        await client.flushall()
        # At once: the stream is made by this ring, before anybody has made its group again.
        await ring(ringing, "pay_early")
        await wait_until(lambda: "pay_early" in worker.running)
        gate.opened.set()
        await wait_until(lambda: worker.ended.total() == 2)

        [group] = await client.xinfo_groups(PAYMENTS_STREAM)
        assert (group["name"], group["lag"]) == (GROUP.encode(), 0)
        assert worker.started == {"pay_running": 1, "pay_early": 1}


async def test_rings_after_a_flush_count_as_backlog_though_no_group_is_there_to_read_them(redis_url: str) -> None:
    async with bell(redis_url) as ringing, Redis.from_url(redis_url) as client:
        await ringing.startup()
        await client.flushall()

        await ring(ringing, "pay_1", "pay_2", "pay_3")

        assert await ringing.lag() == 3


async def test_the_oldest_unread_ring_has_an_age_and_none_when_all_are_read(redis_url: str) -> None:
    gate = Gate()
    async with bell(redis_url) as ringing:
        assert await ringing.oldest_unread_seconds() == 0
        await ring(ringing, "pay_read")
        async with listening(redis_url, gate, slots=1) as worker:
            await wait_until(lambda: "pay_read" in worker.running)
            assert await ringing.oldest_unread_seconds() == 0

            await ring(ringing, "pay_unread")
            await asyncio.sleep(0.5)
            await ring(ringing, "pay_later")

            assert 0.4 < await ringing.oldest_unread_seconds() < 3
            gate.opened.set()


async def test_a_job_that_raises_neither_stops_the_listener_nor_comes_back(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(payment_id: str) -> None:
        if payment_id == "pay_bad":
            raise ValueError("a job's own fault")

    async with bell(redis_url) as ringing, listening(redis_url, fail, slots=1) as worker:
        await ring(ringing, "pay_bad", "pay_good")
        await wait_until(lambda: worker.ended["pay_good"] == 1)
        # A consumer asks Redis for what it left unfinished, if ever, at its next reads.
        await ring(ringing, "pay_better")
        await wait_until(lambda: worker.ended["pay_better"] == 1)

        assert worker.started == {"pay_bad": 1, "pay_good": 1, "pay_better": 1}
    assert "a job's own fault" in caplog.text


async def test_messages_that_nobody_can_read_are_passed_over(redis_url: str) -> None:
    async with bell(redis_url) as ringing, listening(redis_url) as worker, Redis.from_url(redis_url) as client:
        await client.xadd(PAYMENTS_STREAM, {b"data": b"no message"})
        await ringing.ring("payments.of_a_newer_version", [{}], [{}])
        await ring(ringing, "pay_1")

        await wait_until(lambda: worker.ended["pay_1"] == 1)


async def test_on_stop_running_jobs_end_and_the_backlog_stays_unread(redis_url: str) -> None:
    gate = Gate()
    async with bell(redis_url) as ringing:
        async with listening(redis_url, gate, slots=2) as worker:
            await ring(ringing, *(f"pay_{number}" for number in range(10)))
            await wait_until(lambda: len(worker.running) == 2)

            worker.stop.set()
            asyncio.get_running_loop().call_later(0.3, gate.opened.set)
            await worker.listening

            assert worker.ended.total() == worker.started.total() == 2
            assert await ringing.lag() == 8

        async with listening(redis_url, consumer="wrk_other") as other:
            await wait_until(lambda: other.ended.total() == 8)
        assert not (worker.started & other.started)


async def test_stop_does_not_wait_longer_for_jobs_than_the_drain_limit(redis_url: str) -> None:
    gate = Gate()
    async with bell(redis_url) as ringing, listening(redis_url, gate, drain_seconds=0.3) as worker:
        await ring(ringing, "pay_endless")
        await wait_until(lambda: "pay_endless" in worker.running)

        started = time.monotonic()
        worker.stop.set()
        await worker.listening

        assert 0.2 < time.monotonic() - started < 5
        assert worker.ended.total() == 0
        gate.opened.set()
        await wait_until(lambda: worker.ended.total() == 1)


async def test_two_workers_share_twenty_jobs_and_none_hoards(redis_url: str) -> None:
    rounds = asyncio.Semaphore(0)

    async def work(_: str) -> None:
        await rounds.acquire()

    def all_slots_are_busy(first: Listener, second: Listener) -> bool:
        return len(first.running) == len(second.running) == 2

    async with (
        bell(redis_url) as ringing,
        listening(redis_url, work, slots=2, consumer="wrk_1") as first,
        listening(redis_url, work, slots=2, consumer="wrk_2") as second,
    ):
        await ring(ringing, *(f"pay_{number}" for number in range(20)))
        for left in range(16, 0, -4):
            await wait_until(lambda: all_slots_are_busy(first, second))
            assert await ringing.lag() == left, "the lag is what waits, not what a worker has put aside"
            for _ in range(4):
                rounds.release()
            await wait_until(lambda done=20 - left: first.ended.total() + second.ended.total() == done)  # type: ignore[misc]
        for _ in range(4):
            rounds.release()
        await wait_until(lambda: first.ended.total() + second.ended.total() == 20)

    assert first.ended.total() == second.ended.total() == 10


async def test_a_worker_with_one_free_slot_takes_one_message_though_many_wait(redis_url: str) -> None:
    gate = Gate()
    async with bell(redis_url) as ringing, listening(redis_url, gate, slots=4) as worker:
        for taken in range(1, 4):
            await ring(ringing, f"pay_{taken}")
            await wait_until(lambda busy=taken: len(worker.running) == busy)  # type: ignore[misc]

        await ring(ringing, *(f"pay_later_{number}" for number in range(6)))
        await wait_until(lambda: len(worker.running) == 4)

        assert await ringing.lag() == 5
        gate.opened.set()
        await wait_until(lambda: worker.ended.total() == 9)


async def test_tidying_keeps_unread_messages_and_an_exact_lag(redis_url: str) -> None:
    gate = Gate()
    async with bell(redis_url) as ringing, Redis.from_url(redis_url) as client:
        async with listening(redis_url, gate, slots=5) as worker:
            await ring(ringing, *(f"pay_{number}" for number in range(100)))
            await wait_until(lambda: len(worker.running) == 5)

            await ringing.tidy()

            assert await ringing.lag() == 95
            assert await client.xlen(PAYMENTS_STREAM) == 96, "all that was read is gone, but for the last"
            gate.opened.set()
            await wait_until(lambda: worker.ended.total() == 100)
            await ringing.tidy()
            assert (await ringing.lag(), await client.xlen(PAYMENTS_STREAM)) == (0, 1)
            await ring(ringing, "pay_100")
            await wait_until(lambda: worker.ended.total() == 101)

        assert worker.started.most_common(1)[0][1] == 1


async def test_tidying_before_anybody_read_anything_removes_nothing(redis_url: str) -> None:
    async with bell(redis_url) as ringing, Redis.from_url(redis_url) as client:
        await ringing.tidy()
        await ringing.startup()
        await ring(ringing, "pay_1", "pay_2")

        await ringing.tidy()

        assert (await ringing.lag(), await client.xlen(PAYMENTS_STREAM)) == (2, 2)


async def test_a_worker_leaves_the_group_when_it_stops(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as client:
        async with listening(redis_url, consumer="wrk_1"):
            await wait_until(lambda: _consumers_are(client, [b"wrk_1"]))

        assert await client.xinfo_consumers(PAYMENTS_STREAM, GROUP) == []


async def _consumers_are(client: Redis, names: list[bytes]) -> bool:
    groups = await client.xinfo_groups(PAYMENTS_STREAM)
    found = await client.xinfo_consumers(PAYMENTS_STREAM, GROUP) if groups else []
    return [consumer["name"] for consumer in found] == names


async def test_an_empty_queue_costs_no_error_no_log_line_and_no_reconnect(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with structlog.testing.capture_logs() as lines:
        async with Redis.from_url(redis_url) as client, listening(redis_url) as worker:
            await wait_until(lambda: _consumers_are(client, [b"wrk_test"]))
            before = await client.info("stats")

            await asyncio.sleep(2.5 * BLOCK_MS / 1000)

            after = await client.info("stats")
            assert not worker.listening.done()
    assert lines == []
    assert caplog.records == []
    assert after["total_connections_received"] == before["total_connections_received"]
    assert after["total_error_replies"] == before["total_error_replies"]


async def test_a_redis_that_is_away_at_the_start_is_waited_for_with_one_line_in_the_log() -> None:
    async with redis_server() as server:
        await server.stop()
        with structlog.testing.capture_logs() as lines:
            async with listening(server.url) as worker:
                await asyncio.sleep(1.0)
                await server.start()
                async with bell(server.url) as ringing:
                    await ring(ringing, "pay_1")
                    await wait_until(lambda: worker.ended["pay_1"] == 1)

    assert [line["event"] for line in lines if line["log_level"] != "info"].count("queue.lost") == 1


async def test_a_queue_that_cannot_be_read_is_asked_less_and_less_often(redis_url: str) -> None:
    with structlog.testing.capture_logs() as lines:
        async with Redis.from_url(redis_url) as client:
            await client.set(PAYMENTS_STREAM, "somebody put a string here")
            async with listening(redis_url) as worker:
                await asyncio.sleep(1.5)
                asked = len(lines)
                await client.delete(PAYMENTS_STREAM)
                async with bell(redis_url) as ringing:
                    await ring(ringing, "pay_1")
                    await wait_until(lambda: worker.ended["pay_1"] == 1)

    assert asked <= 5


async def test_stopping_does_not_wait_for_a_redis_that_is_away() -> None:
    async with redis_server() as server:
        broker = new_broker(server.url)
        await broker.startup()
        await server.stop()

        started = time.monotonic()
        await broker.shutdown()

        assert time.monotonic() - started < 3


async def test_stopping_does_not_wait_for_a_redis_that_does_not_answer() -> None:
    async with silent_server() as url:
        broker = new_broker(url)

        started = time.monotonic()
        await broker.shutdown()

        assert time.monotonic() - started < 3


async def test_a_server_that_becomes_a_replica_is_left_for_whatever_its_address_means_next() -> None:
    async with (
        redis_server() as server,
        Redis.from_url(server.url) as client,
        bell(server.url) as ringing,
        listening(server.url) as worker,
    ):
        await ring(ringing, "pay_1")
        await wait_until(lambda: worker.ended["pay_1"] == 1)
        before = (await client.info("stats"))["total_connections_received"]

        await client.replicaof("127.0.0.1", "1")
        with pytest.raises(QueueUnavailableError):
            await ring(ringing, "pay_lost")
        await asyncio.sleep(1)
        assert (await client.info("stats"))["total_connections_received"] >= before + 2
        await client.replicaof("NO", "ONE")
        await ring(ringing, "pay_2")
        await wait_until(lambda: worker.ended["pay_2"] == 1)


async def test_a_reader_stops_when_it_is_told_to_whatever_step_it_is_at(redis_url: str) -> None:
    async with bell(redis_url) as broker:
        await broker.startup()
        readers = [await _start_and_cancel(broker, after_steps=steps) for steps in range(40)]

        done, _ = await asyncio.wait(readers, timeout=2 * BLOCK_MS / 1000)

        assert [steps for steps, reader in enumerate(readers) if reader not in done] == []


async def _start_and_cancel(broker: DoorbellBroker, *, after_steps: int) -> asyncio.Task[object]:
    """Read as Taskiq's receiver does, and cancel at one of the steps of sending the request."""
    reader = asyncio.ensure_future(anext(broker.listen()))
    for _ in range(after_steps):
        await asyncio.sleep(0)
    reader.cancel()
    return reader

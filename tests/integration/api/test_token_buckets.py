"""Token buckets in a real Redis: exact for all instances together, and of no consequence when Redis is away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import structlog
from redis.asyncio import Redis
from tests.support.proxy import line_to
from tests.support.redis_nodes import running_cluster
from tests.support.redis_server import redis_server, silent_server
from tests.support.waiting import wait_until

from gateway_api.token_buckets import BREAKER_SECONDS, TIMEOUT_SECONDS, Bucket, Limit, TokenBuckets, Verdict

# Redis gets 100 ms here as it does in the API, and a crowded machine takes longer.
pytestmark = pytest.mark.alone
SLOW = Limit(0.001, burst=50)


@asynccontextmanager
async def buckets_at(url: str) -> AsyncIterator[TokenBuckets]:
    buckets = TokenBuckets(url)
    yield buckets
    await buckets.close()


async def take_many(buckets: TokenBuckets, bucket: Bucket, count: int) -> list[Verdict]:
    """Take at once, as concurrent requests do; each must have had an answer."""
    verdicts = await asyncio.gather(*(buckets.take(bucket) for _ in range(count)))
    known = [verdict for verdict in verdicts if verdict is not None]
    assert len(known) == count
    return known


def allowed(verdicts: list[Verdict]) -> int:
    return sum(verdict.is_allowed for verdict in verdicts)


async def test_of_two_hundred_at_once_on_four_instances_exactly_fifty_pass(redis_url: str) -> None:
    async with AsyncExitStack() as stack:
        instances = [await stack.enter_async_context(buckets_at(redis_url)) for _ in range(4)]

        taken = await asyncio.gather(*(take_many(each, Bucket("shared", SLOW), 50) for each in instances))

    verdicts = [verdict for each in taken for verdict in each]
    assert allowed(verdicts) == 50
    assert sorted(verdict.remaining for verdict in verdicts if verdict.is_allowed) == list(range(50))


async def test_one_by_one_the_same_number_passes_as_at_once(redis_url: str) -> None:
    async with buckets_at(redis_url) as buckets:
        verdicts = [(await take_many(buckets, Bucket("lone", SLOW), 1))[0] for _ in range(60)]

    assert [verdict.is_allowed for verdict in verdicts] == [True] * 50 + [False] * 10


async def test_buckets_that_are_asked_for_together_do_not_mix(redis_url: str) -> None:
    many = [Bucket(f"bucket-{number}", Limit(0.001, burst=number + 1)) for number in range(20)]
    async with buckets_at(redis_url) as buckets:
        taken = await asyncio.gather(*(take_many(buckets, bucket, 30) for bucket in many))

    assert [allowed(verdicts) for verdicts in taken] == list(range(1, 21))


async def test_tokens_come_back_at_the_rate_and_never_beyond_the_burst(redis_url: str) -> None:
    bucket = Bucket("refilled", Limit(20, burst=10))
    async with buckets_at(redis_url) as buckets:
        started = time.monotonic()
        await take_many(buckets, bucket, 10)
        await asyncio.sleep(0.2)
        again = allowed(await take_many(buckets, bucket, 10))
        elapsed = time.monotonic() - started
        await asyncio.sleep(1)
        rested = allowed(await take_many(buckets, bucket, 30))

    assert 4 <= again <= elapsed * 20
    assert 10 <= rested <= 11, "one more may have come while these were asked for"


async def test_a_refused_request_takes_nothing_so_waiting_helps(redis_url: str) -> None:
    bucket = Bucket("patient", Limit(5, burst=1))
    async with buckets_at(redis_url) as buckets:
        await take_many(buckets, bucket, 1)
        deadline = time.monotonic() + 2
        while not (await take_many(buckets, bucket, 1))[0].is_allowed:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)


async def test_a_bucket_is_forgotten_when_it_is_full_again(redis_url: str) -> None:
    async with buckets_at(redis_url) as buckets, Redis.from_url(redis_url) as client:
        await take_many(buckets, Bucket("brief", Limit(100, burst=20)), 20)

        assert 0 < await client.pttl("brief") <= 200
        await wait_until(lambda: _is_gone(client, "brief"))


async def _is_gone(client: Redis, name: str) -> bool:
    return not await client.exists(name)


async def test_a_flushed_redis_has_full_buckets_and_learns_the_script_anew(redis_url: str) -> None:
    async with buckets_at(redis_url) as buckets, Redis.from_url(redis_url) as client:
        await take_many(buckets, Bucket("flushed", SLOW), 60)
        await client.flushall()
        await client.script_flush()

        assert allowed(await take_many(buckets, Bucket("flushed", SLOW), 60)) == 50


async def test_a_smaller_limit_holds_at_once_for_a_bucket_that_was_fuller(redis_url: str) -> None:
    async with buckets_at(redis_url) as buckets:
        await take_many(buckets, Bucket("changed", SLOW), 1)

        assert allowed(await take_many(buckets, Bucket("changed", SLOW._replace(burst=5)), 20)) == 5


async def test_a_redis_that_never_answers_costs_one_timeout_and_then_nothing() -> None:
    async with silent_server() as url, buckets_at(url) as buckets:
        with structlog.testing.capture_logs() as lines:
            started = time.monotonic()
            first = await asyncio.gather(*(buckets.take(Bucket("any", SLOW)) for _ in range(100)))
            waited = time.monotonic() - started
            started = time.monotonic()
            later = [await buckets.take(Bucket("any", SLOW)) for _ in range(100)]
            skipped = time.monotonic() - started

    assert first == later == [None] * 100
    assert TIMEOUT_SECONDS * 0.9 < waited < TIMEOUT_SECONDS * 3
    assert skipped < TIMEOUT_SECONDS
    assert [line["event"] for line in lines] == ["rate_limit.skipped"]


async def test_a_process_too_busy_to_read_the_answer_does_not_take_redis_for_silent(redis_url: str) -> None:
    async def be_busy() -> None:
        while True:
            time.sleep(TIMEOUT_SECONDS / 3)  # noqa: ASYNC251 -- each turn of the loop takes this long.
            await asyncio.sleep(0)

    async with buckets_at(redis_url) as buckets:
        busy = asyncio.create_task(be_busy())
        verdicts = await take_many(buckets, Bucket("busy", SLOW), 60)
        busy.cancel()

    assert allowed(verdicts) == 50


async def test_after_redis_was_away_buckets_count_again() -> None:
    async with redis_server() as server, buckets_at(server.url) as buckets:
        await take_many(buckets, Bucket("away", SLOW), 10)
        await server.stop()
        assert await buckets.take(Bucket("away", SLOW)) is None
        await server.start()
        await asyncio.sleep(BREAKER_SECONDS)

        assert allowed(await take_many(buckets, Bucket("away", SLOW), 60)) == 50


async def test_an_answer_that_comes_too_late_is_nobody_elses(redis_url: str) -> None:
    async with line_to(redis_url) as (line, url), buckets_at(url) as buckets:
        await take_many(buckets, Bucket("first", SLOW), 1)
        line.freeze()
        assert await buckets.take(Bucket("first", SLOW)) is None
        line.thaw()
        await asyncio.sleep(BREAKER_SECONDS)

        [verdict] = await take_many(buckets, Bucket("second", Limit(0.001, burst=7)), 1)

    assert (verdict.limit, verdict.remaining) == (7, 6)


async def test_on_a_cluster_the_limits_hold_for_many_buckets_that_are_asked_for_together() -> None:
    many = [Bucket(f"bucket-{number}", Limit(0.001, burst=number + 1)) for number in range(20)]
    with running_cluster() as cluster:
        async with buckets_at(cluster.url) as buckets:
            # Finding out where the slots are may take longer than a request waits for it; it goes on meanwhile.
            await wait_until(lambda: _answers(buckets))
            taken = await asyncio.gather(*(take_many(buckets, bucket, 30) for bucket in many))
            # Some nodes know the script by now; one does not any more.
            cluster.nodes[1].ask("SCRIPT", "FLUSH")
            later = await asyncio.gather(*(take_many(buckets, bucket, 1) for bucket in many))

    assert [allowed(verdicts) for verdicts in taken] == list(range(1, 21))
    assert [allowed(verdicts) for verdicts in later] == [0] * 20


async def _answers(buckets: TokenBuckets) -> bool:
    return await buckets.take(Bucket("first", SLOW)) is not None

"""The ringer on a real Redis: what is rung is heard, and whoever rings neither waits nor fails when Redis is away."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from tests.support.doorbell import bell
from tests.support.redis_server import redis_server, silent_server
from tests.support.waiting import wait_until

from gateway_common.queue.messages import (
    DISPATCH_WEBHOOKS,
    HANDLE_CALLBACKS,
    PAYMENTS_STREAM,
    PROCESS_PAYMENT,
    WEBHOOKS_STREAM,
)
from gateway_common.queue.ringer import BREAKER_SECONDS, TIMEOUT_SECONDS, WAITING_MOST, Ringer

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@asynccontextmanager
async def ringer_at(url: str) -> AsyncIterator[Ringer]:
    """Open a ringer that nobody runs yet."""
    async with bell(url) as payments, bell(url, WEBHOOKS_STREAM) as webhooks:
        yield Ringer(payments, webhooks)


@asynccontextmanager
async def running(ringer: Ringer) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(ringer.run(stop))
    yield
    stop.set()
    await task


async def read_messages(client: Redis, stream: str) -> list[dict[str, Any]]:
    messages: Any = await client.xrange(stream)
    return [json.loads(fields[b"data"]) for _, fields in messages]


def rings(queue: str, outcome: str) -> float:
    return REGISTRY.get_sample_value("gateway_queue_rings_total", {"queue": queue, "outcome": outcome}) or 0.0


async def test_many_rings_for_callbacks_become_one_and_go_with_the_payments(redis_url: str) -> None:
    before = rings("callbacks", "sent")
    async with ringer_at(redis_url) as ringer, Redis.from_url(redis_url) as client:
        async with running(ringer):
            for _ in range(100):
                ringer.ring_callbacks()

        [message] = await read_messages(client, PAYMENTS_STREAM)

    assert (message["task_name"], message["kwargs"]) == (HANDLE_CALLBACKS, {})
    assert rings("callbacks", "sent") == before + 1


async def test_a_ring_carries_the_task_the_id_and_the_trace_and_nothing_else(redis_url: str) -> None:
    async with ringer_at(redis_url) as ringer, Redis.from_url(redis_url) as client:
        async with running(ringer):
            ringer.ring_payment("pay_1", TRACEPARENT)
            ringer.ring_payment("pay_2", None)

        messages = await read_messages(client, PAYMENTS_STREAM)

    assert [message["task_name"] for message in messages] == [PROCESS_PAYMENT] * 2
    assert [message["kwargs"] for message in messages] == [{"payment_id": "pay_1"}, {"payment_id": "pay_2"}]
    assert [message["labels"] for message in messages] == [{"traceparent": TRACEPARENT}, {}]
    assert [message["args"] for message in messages] == [[], []]


async def test_rings_for_one_payment_that_wait_together_become_one(redis_url: str) -> None:
    async with ringer_at(redis_url) as ringer, Redis.from_url(redis_url) as client:
        for _ in range(10):
            ringer.ring_payment("pay_1", None)
        async with running(ringer):
            pass

        assert await client.xlen(PAYMENTS_STREAM) == 1


async def test_a_thousand_webhook_rings_become_one(redis_url: str) -> None:
    async with ringer_at(redis_url) as ringer, Redis.from_url(redis_url) as client:
        for _ in range(1_000):
            ringer.ring_webhooks()
        async with running(ringer):
            pass

        [message] = await read_messages(client, WEBHOOKS_STREAM)
        assert message["task_name"] == DISPATCH_WEBHOOKS


async def test_a_ring_is_sent_at_once_and_what_waits_at_the_end_is_sent_last(redis_url: str) -> None:
    async with ringer_at(redis_url) as ringer, Redis.from_url(redis_url) as client:

        async def streams_hold(count: int) -> bool:
            return await client.xlen(PAYMENTS_STREAM) == count

        async with running(ringer):
            ringer.ring_payment("pay_1", None)
            await wait_until(lambda: streams_hold(1))
            ringer.ring_payment("pay_2", None)

        assert await streams_hold(2)


async def test_beyond_its_bound_it_drops_and_counts_but_never_waits(redis_url: str) -> None:
    dropped = rings("payments", "dropped")
    async with ringer_at(redis_url) as ringer, Redis.from_url(redis_url) as client:
        for number in range(WAITING_MOST + 25):
            ringer.ring_payment(f"pay_{number}", None)
        async with running(ringer):
            pass

        assert await client.xlen(PAYMENTS_STREAM) == WAITING_MOST
    assert rings("payments", "dropped") - dropped == 25


async def test_a_payment_that_waits_already_is_not_dropped_when_it_is_rung_for_again(redis_url: str) -> None:
    dropped = rings("payments", "dropped")
    async with ringer_at(redis_url) as ringer:
        for number in range(WAITING_MOST):
            ringer.ring_payment(f"pay_{number}", None)

        ringer.ring_payment("pay_0", None)

    assert rings("payments", "dropped") == dropped


async def test_a_redis_that_is_away_fails_nobody_and_is_not_asked_again_while_the_breaker_is_open() -> None:
    failed, skipped = rings("payments", "failed"), rings("payments", "skipped")
    async with redis_server() as server, ringer_at(server.url) as ringer:
        with structlog.testing.capture_logs() as lines:
            await server.stop()
            async with running(ringer):
                started = time.monotonic()
                ringer.ring_payment("pay_1", None)
                assert time.monotonic() - started < TIMEOUT_SECONDS / 2
                await wait_until(lambda: rings("payments", "failed") == failed + 1)

                for number in range(100):
                    ringer.ring_payment(f"pay_skipped_{number}", None)
                await wait_until(lambda: rings("payments", "skipped") == skipped + 100)
        assert [line["event"] for line in lines] == ["ring.failed"]

        await server.start()
        await asyncio.sleep(BREAKER_SECONDS)
        async with running(ringer), Redis.from_url(server.url) as client:
            ringer.ring_payment("pay_2", None)
            await wait_until(lambda: _holds_one(client))


async def _holds_one(client: Redis) -> bool:
    return await client.xlen(PAYMENTS_STREAM) == 1


async def test_a_redis_that_does_not_answer_costs_one_timeout_then_nothing() -> None:
    failed, skipped = rings("payments", "failed"), rings("webhooks", "skipped")
    async with silent_server() as url, ringer_at(url) as ringer, running(ringer):
        started = time.monotonic()
        ringer.ring_payment("pay_1", None)
        ringer.ring_webhooks()
        await wait_until(lambda: rings("payments", "failed") == failed + 1)
        await wait_until(lambda: rings("webhooks", "skipped") == skipped + 1)

        assert time.monotonic() - started < 2 * TIMEOUT_SECONDS

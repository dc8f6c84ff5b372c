"""What the queue promises in the everyday, in one go, for an address of any form. One server has test_broker.py."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from tests.support.doorbell import Listener, bell, listening, ring
from tests.support.waiting import wait_until

from gateway_common.queue.broker import DoorbellBroker, QueueUnavailableError
from gateway_common.queue.ringer import TIMEOUT_SECONDS


async def keep_everyday_contract(url: str, flush: Callable[[], object]) -> None:
    """Ring before anybody listens, hear, count, tidy, and go on after a flush."""
    gate = asyncio.Event()

    async def wait(_: str) -> None:
        await gate.wait()

    async with bell(url) as ringing:
        await ring(ringing, *(f"pay_{number}" for number in range(20)))
        async with listening(url, wait, slots=5) as worker:
            await wait_until(lambda: len(worker.running) == 5)
            assert await ringing.lag() == 15, "the lag is what waits, not what a worker has put aside"
            await ringing.tidy()
            assert await ringing.lag() == 15
            gate.set()
            await wait_until(lambda: worker.ended.total() == 20)
            await ringing.tidy()
            assert (await ringing.lag(), await ringing.check()) == (0, "ok")

            await asyncio.to_thread(flush)
            await ring(ringing, "pay_after_flush")
            await wait_until(lambda: worker.ended["pay_after_flush"] == 1)
        assert worker.started.most_common(1)[0][1] == 1
        assert [count for count, _ in worker.broker.connection_pool.get_connection_count()] == [0, 0], "a pool too many"


async def ring_until_heard(ringing: DoorbellBroker, worker: Listener, *, seconds: float = 20.0) -> float:
    """Ring as the sweeper does, again and again, until a new ring is heard; the seconds that took."""
    started = time.monotonic()
    heard = worker.ended.total()
    number = 0
    while worker.ended.total() == heard:
        assert time.monotonic() - started < seconds, f"nothing is heard within {seconds:g} s"
        number += 1
        with contextlib.suppress(QueueUnavailableError, TimeoutError):
            await asyncio.wait_for(ring(ringing, f"pay_{started}_{number}"), TIMEOUT_SECONDS)
        await asyncio.sleep(0.1)
    assert not worker.listening.done()
    return time.monotonic() - started

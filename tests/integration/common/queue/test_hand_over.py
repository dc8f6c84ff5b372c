"""What is handed to a listener past Redis: heard whatever Redis does, in the same slots, and drained like the rest."""

import asyncio
import time

from tests.support.doorbell import Gate, bell, hand_over, listening, ring
from tests.support.redis_server import redis_server, silent_server
from tests.support.waiting import wait_until

OUTAGE_SECONDS = 3.0


async def test_what_is_handed_over_is_heard_while_redis_is_away_and_takes_the_same_slots() -> None:
    gate = Gate()
    async with redis_server() as server, bell(server.url) as ringing, listening(server.url, gate, slots=3) as worker:
        await ring(ringing, "pay_read")
        await wait_until(lambda: "pay_read" in worker.running)
        await server.stop()

        hand_over(worker.broker, *(f"pay_{number}" for number in range(4)))
        await wait_until(lambda: len(worker.running) == 3)
        await asyncio.sleep(0.2)
        assert len(worker.running) == 3
        assert worker.broker.free_slots == 0

        await server.start()
        gate.opened.set()
        await ring(ringing, "pay_next")
        await wait_until(lambda: worker.ended.total() == 6)

    assert set(worker.started.values()) == {1}


async def test_what_is_handed_over_does_not_wait_for_a_redis_that_hangs() -> None:
    async with silent_server() as url, listening(url) as worker:
        await asyncio.sleep(0.2)
        started = time.monotonic()

        hand_over(worker.broker, "pay_1", "pay_2")

        await wait_until(lambda: worker.ended.total() == 2)
        assert time.monotonic() - started < 1


async def test_on_stop_jobs_that_were_handed_over_are_waited_for() -> None:
    gate = Gate()
    async with redis_server() as server, listening(server.url, gate) as worker:
        await server.stop()
        hand_over(worker.broker, "pay_1")
        await wait_until(lambda: "pay_1" in worker.running)

        worker.stop.set()
        asyncio.get_running_loop().call_later(0.3, gate.opened.set)
        await worker.listening

        assert worker.ended == {"pay_1": 1}

"""A worker on a doorbell, put together as the processor's: broker, slots, Taskiq's receiver. Its jobs are a test's."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from taskiq.receiver import Receiver

from gateway_common.queue.broker import DoorbellBroker
from gateway_common.queue.messages import PAYMENTS_STREAM, PROCESS_PAYMENT
from gateway_common.queue.ringer import TIMEOUT_SECONDS

Job = Callable[[str], Awaitable[None]]


async def nothing_to_do(_: str) -> None:
    """A job that is over at once."""


class Listener:
    """Hears rings for payments and runs a job for each, at most `slots` at once."""

    def __init__(self, broker: DoorbellBroker, job: Job, *, slots: int, drain_seconds: float) -> None:
        self.broker = broker
        self.started: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.running: set[str] = set()
        self.stop = asyncio.Event()
        self._job = job
        broker.read_at_most(lambda: slots - len(self.running))

        @broker.task(task_name=PROCESS_PAYMENT)
        async def run(payment_id: str) -> None:
            await self._run(payment_id)

        self._receiver = Receiver(broker, max_async_tasks=slots, run_startup=False, wait_tasks_timeout=drain_seconds)
        self.listening = asyncio.create_task(self._receiver.listen(self.stop))

    async def _run(self, payment_id: str) -> None:
        self.started[payment_id] += 1
        self.running.add(payment_id)
        try:
            await self._job(payment_id)
            self.ended[payment_id] += 1
        finally:
            self.running.discard(payment_id)


def new_broker(url: str, consumer: str = "wrk_test", stream: str = PAYMENTS_STREAM) -> DoorbellBroker:
    """Make a broker as a worker reads with."""
    return DoorbellBroker(url, stream=stream, consumer=consumer)


@asynccontextmanager
async def bell(url: str, stream: str = PAYMENTS_STREAM) -> AsyncIterator[DoorbellBroker]:
    """Open a broker to ring with, as the API's."""
    broker = DoorbellBroker(url, stream=stream, consumer="bell", timeout_seconds=TIMEOUT_SECONDS)
    try:
        yield broker
    finally:
        await broker.shutdown()


@asynccontextmanager
async def listening(
    url: str, job: Job = nothing_to_do, *, slots: int = 10, consumer: str = "wrk_test", drain_seconds: float = 20.0
) -> AsyncIterator[Listener]:
    """Listen until the block ends, then drain as on SIGTERM."""
    broker = new_broker(url, consumer)
    await broker.startup()
    listener = Listener(broker, job, slots=slots, drain_seconds=drain_seconds)
    try:
        yield listener
    finally:
        listener.stop.set()
        await listener.listening
        await broker.shutdown()


async def ring(broker: DoorbellBroker, *payment_ids: str) -> None:
    """Ring once for each payment, in one pipeline."""
    arguments = [{"payment_id": payment_id} for payment_id in payment_ids]
    await broker.ring(PROCESS_PAYMENT, arguments, [{} for _ in payment_ids])


def hand_over(broker: DoorbellBroker, *payment_ids: str) -> None:
    """Give payments straight to the broker's own listener."""
    arguments = [{"payment_id": payment_id} for payment_id in payment_ids]
    broker.hand_over(PROCESS_PAYMENT, arguments, [{} for _ in payment_ids])


class Gate:
    """A job that runs until the test lets it end."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def __call__(self, _: str) -> None:
        await self.opened.wait()

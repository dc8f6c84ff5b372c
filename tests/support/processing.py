"""Processors and whole workers for tests, put together as worker.py does it, with a simulator that does not dawdle."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from taskiq.receiver import Receiver
from tests.support.databases import MASTER_KEY
from tests.support.doorbell import bell
from tests.support.records import LEASE_LIMIT_SECONDS, read_lease

from gateway_common.clock import Clock, system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.payments.queue_store import release_payment_leases
from gateway_common.providers.book import RouteBook
from gateway_common.providers.model import SIMULATOR
from gateway_common.queue.broker import DoorbellBroker
from gateway_common.queue.messages import PAYMENTS_STREAM, WEBHOOKS_STREAM
from gateway_common.queue.ringer import Ringer
from gateway_common.simulator.model import SimulatorPlan
from gateway_common.workers.loops import keep_alive, repeat
from gateway_common.workers.store import SILENT_AFTER_SECONDS, delete_worker
from gateway_processor.callbacks import CallbackHandler
from gateway_processor.outcomes import Concluder
from gateway_processor.payments import PaymentProcessor
from gateway_processor.providers.base import Provider
from gateway_processor.providers.registry import Providers
from gateway_processor.providers.simulator import Simulator
from gateway_processor.sweeper import Sweeper
from gateway_processor.tasks import register_callback_task, register_tasks

Process = Callable[[str], Awaitable[None]]
"""Takes the id of a payment and does all that is due for it."""
QUICK = SimulatorPlan(delay_min_ms=40, delay_max_ms=80)
PROVIDER_TIMEOUT_SECONDS = 10.0
STEPS_MOST = 20
RESTS_SECONDS = 3_600.0
"""Due later than this is a payment that waits for its authorization to expire, not for a worker."""


def new_processor(
    database: Database,
    ringer: Ringer,
    provider: Provider | Mapping[str, Provider] | None = None,
    *,
    worker_id: str = "wrk_1",
    provider_timeout_seconds: float = PROVIDER_TIMEOUT_SECONDS,
    record_for_seconds: float = 20.0,
    clock: Clock = system_clock,
    master_key: str = MASTER_KEY,
) -> PaymentProcessor:
    """Put one together: with one provider, at the end of every route, or with several by their names in routes."""
    provider = provider or Simulator(database, QUICK)
    providers = provider if isinstance(provider, Mapping) else {SIMULATOR: provider}
    return PaymentProcessor(
        database,
        Providers(providers, RouteBook(database)),
        ringer,
        Keyring(master_key),
        worker_id=worker_id,
        concluder=Concluder(timedelta(days=7)),
        provider_timeout_seconds=provider_timeout_seconds,
        record_for_seconds=record_for_seconds,
        clock=clock,
    )


async def work_off(
    processor: PaymentProcessor, database: Database, payment_id: str, *, steps_most: int = STEPS_MOST
) -> None:
    """Process the payment whenever it is due, until it rests, as ring and sweeper have it done."""
    for _ in range(steps_most):
        due_in_seconds = (await read_lease(database, payment_id))["due_in_seconds"]
        if due_in_seconds is None or due_in_seconds > RESTS_SECONDS:
            return
        await asyncio.sleep(max(0.0, due_in_seconds))
        await processor.process(payment_id)
    raise AssertionError(f"{payment_id} does not come to rest")


@dataclass(frozen=True)
class Worker:
    """A worker in this process: all that worker.py runs, but for its signals and its HTTP port."""

    worker_id: str
    stop: asyncio.Event
    listening: asyncio.Task[None]
    broker: DoorbellBroker


@asynccontextmanager
async def running_worker(
    database: Database,
    redis_url: str,
    provider: Provider,
    *,
    worker_id: str,
    concurrency: int = 10,
    drain_seconds: float = 20.0,
) -> AsyncIterator[Worker]:
    """Run a worker; in the end it drains and gives back its leases, as on SIGTERM."""
    stop, drained, registered = asyncio.Event(), asyncio.Event(), asyncio.Event()
    broker = DoorbellBroker(redis_url, stream=PAYMENTS_STREAM, consumer=worker_id)
    async with bell(redis_url) as payments_bell, bell(redis_url, WEBHOOKS_STREAM) as webhooks_bell:
        ringer = Ringer(payments_bell, webhooks_bell)
        sweeper = Sweeper(database, payments_bell, ringer, listener=broker, lease_limit_seconds=LEASE_LIMIT_SECONDS)
        processor = new_processor(database, ringer, provider, worker_id=worker_id)
        register_tasks(broker, processor, concurrency=concurrency)
        callbacks = CallbackHandler(database, ringer, system_clock)
        register_callback_task(broker, callbacks)
        receiver = Receiver(broker, max_async_tasks=concurrency, run_startup=False, wait_tasks_timeout=drain_seconds)
        background = [
            asyncio.create_task(
                keep_alive(
                    database,
                    worker_id,
                    "processor",
                    silent_after_seconds=SILENT_AFTER_SECONDS,
                    registered=registered,
                    stop=drained,
                )
            ),
            asyncio.create_task(ringer.run(drained)),
            asyncio.create_task(repeat("sweep", sweeper.sweep, every_seconds=0.1, stop=stop)),
            asyncio.create_task(repeat("callbacks", callbacks.handle, every_seconds=0.5, stop=stop)),
        ]
        await broker.startup()
        await registered.wait()
        listening = asyncio.create_task(receiver.listen(stop))
        try:
            yield Worker(worker_id, stop, listening, broker)
        finally:
            stop.set()
            await listening
            async with database.transaction() as connection:
                await release_payment_leases(connection, worker_id)
                await delete_worker(connection, worker_id)
            drained.set()
            await asyncio.gather(*background)
            await broker.shutdown()

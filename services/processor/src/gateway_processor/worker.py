"""The processor process, read top to bottom: built, started, stopped in reverse."""

import asyncio
import contextlib

from redis.exceptions import RedisError
from taskiq.receiver import Receiver

from gateway_common.clock import system_clock
from gateway_common.db.database import Database, DatabaseUnavailableError
from gateway_common.db.schema import schema_check
from gateway_common.ids import WORKER, new_id
from gateway_common.logs import configure_logs, get_logger
from gateway_common.payments.queue_store import release_payment_leases
from gateway_common.queue.broker import DoorbellBroker
from gateway_common.queue.messages import PAYMENTS_STREAM, WEBHOOKS_STREAM
from gateway_common.queue.ringer import TIMEOUT_SECONDS, Ringer
from gateway_common.serving import Health, http_server, operations_app, serve, stop_on_signals
from gateway_common.simulator.model import SimulatorPlan
from gateway_common.workers.loops import first_of, keep_alive, repeat
from gateway_common.workers.store import delete_worker
from gateway_processor.payments import PaymentProcessor
from gateway_processor.providers.simulator import Simulator
from gateway_processor.settings import ProcessorSettings
from gateway_processor.sweeper import SWEEP_EVERY_SECONDS, Sweeper
from gateway_processor.tasks import register_tasks

SERVICE = "processor"
TIDY_EVERY_SECONDS = 10.0
MEASURE_EVERY_SECONDS = 5.0


async def main() -> None:
    settings = ProcessorSettings()
    configure_logs(SERVICE, level=settings.log_level, style=settings.log_format)
    log = get_logger()
    stop, drained = stop_on_signals(), asyncio.Event()
    worker_id = new_id(WORKER, system_clock())

    database = Database(
        settings.database_url, application_name=f"gateway-{SERVICE}", pool_size=settings.database_pool_size
    )
    broker = DoorbellBroker(settings.redis_url, stream=PAYMENTS_STREAM, consumer=worker_id)
    payments_bell, webhooks_bell = (
        DoorbellBroker(settings.redis_url, stream=stream, consumer=worker_id, timeout_seconds=TIMEOUT_SECONDS)
        for stream in (PAYMENTS_STREAM, WEBHOOKS_STREAM)
    )
    ringer = Ringer(payments_bell, webhooks_bell)
    plan = SimulatorPlan(
        delay_min_ms=settings.processing_delay_min_ms,
        delay_max_ms=settings.processing_delay_max_ms,
        success_rate=settings.simulator_success_rate,
        seed=settings.simulator_seed,
    )
    processor = PaymentProcessor(
        database,
        Simulator(database, plan),
        ringer,
        worker_id=worker_id,
        provider_timeout_seconds=settings.provider_timeout_seconds,
        record_for_seconds=settings.lease_limit_seconds,
        clock=system_clock,
    )
    register_tasks(broker, processor, concurrency=settings.concurrency)
    receiver = Receiver(
        broker,
        max_async_tasks=settings.concurrency,
        run_startup=False,
        wait_tasks_timeout=settings.drain_seconds,
    )
    sweeper = Sweeper(database, payments_bell, ringer, lease_limit_seconds=settings.lease_limit_seconds)
    health = Health(needed={"postgresql": schema_check(database)}, wanted={"redis": payments_bell.check})

    async def tidy() -> None:
        try:
            await payments_bell.tidy()
        except (RedisError, OSError) as error:
            log.warning("queue.not_tidied", error=str(error))

    registered = asyncio.Event()
    background = [
        asyncio.create_task(task)
        for task in (
            serve(http_server(operations_app(health), settings.host, settings.metrics_port), stop=drained),
            keep_alive(database, worker_id, SERVICE, registered=registered, stop=drained),
            ringer.run(drained),
            repeat("sweep", sweeper.sweep, every_seconds=SWEEP_EVERY_SECONDS, stop=stop),
            repeat("measure", sweeper.measure, every_seconds=MEASURE_EVERY_SECONDS, stop=stop),
            repeat("tidy", tidy, every_seconds=TIDY_EVERY_SECONDS, stop=stop),
        )
    ]
    await broker.startup()
    await first_of(registered, stop)
    if not stop.is_set():
        log.info("worker.started", worker_id=worker_id, concurrency=settings.concurrency)
        await receiver.listen(stop)

    health.draining = True
    with contextlib.suppress(DatabaseUnavailableError):
        # Without a database the leases run out by themselves: this worker is silent from now on.
        async with database.transaction() as connection:
            released = await release_payment_leases(connection, worker_id)
            await delete_worker(connection, worker_id)
            log.info("worker.drained", leases_given_back=released)
    drained.set()
    await asyncio.gather(*background)
    for each in (broker, payments_bell, webhooks_bell):
        await each.shutdown()
    await database.close()
    log.info("worker.stopped")

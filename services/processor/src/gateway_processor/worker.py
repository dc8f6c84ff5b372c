"""The processor process, read top to bottom: built, started, stopped in reverse."""

from taskiq.receiver import Receiver

from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.db.schema import schema_check
from gateway_common.ids import WORKER, new_id
from gateway_common.logs import configure_logs, get_logger
from gateway_common.payments.queue_store import release_payment_leases
from gateway_common.providers.book import RouteBook
from gateway_common.queue.broker import DoorbellBroker
from gateway_common.queue.messages import PAYMENTS_STREAM, WEBHOOKS_STREAM
from gateway_common.queue.ringer import TIMEOUT_SECONDS, Ringer
from gateway_common.serving import Health
from gateway_common.workers.lifecycle import Loop, Worker, run_worker
from gateway_processor.auditor import Auditor
from gateway_processor.callbacks import CallbackHandler
from gateway_processor.outcomes import Concluder
from gateway_processor.payments import PaymentProcessor
from gateway_processor.providers.registry import Providers
from gateway_processor.providers.setup import ConfiguredProviders
from gateway_processor.providers.simulator_callbacks import SEND_EVERY_SECONDS, SimulatorCallbacks
from gateway_processor.settings import ProcessorSettings
from gateway_processor.steps import OnCallbackStep, OnStep, pass_by, pass_callback_by
from gateway_processor.sweeper import SWEEP_EVERY_SECONDS, Sweeper
from gateway_processor.tasks import register_callback_task, register_tasks

SERVICE = "processor"
TIDY_EVERY_SECONDS = 10.0
MEASURE_EVERY_SECONDS = 5.0


def build_processor(
    database: Database,
    ringer: Ringer,
    settings: ProcessorSettings,
    providers: ConfiguredProviders,
    *,
    worker_id: str,
    on_step: OnStep,
) -> PaymentProcessor:
    """What works off payments, with the providers that are set up here."""
    return PaymentProcessor(
        database,
        Providers(providers.by_name, RouteBook(database)),
        ringer,
        Keyring(settings.gateway_master_key.get_secret_value()),
        worker_id=worker_id,
        concluder=Concluder(settings.authorization_ttl),
        provider_timeout_seconds=settings.provider_timeout_seconds,
        record_for_seconds=settings.lease_limit_seconds,
        clock=system_clock,
        on_step=on_step,
    )


async def main() -> None:
    await run(ProcessorSettings())


async def run(
    settings: ProcessorSettings, on_step: OnStep = pass_by, on_callback_step: OnCallbackStep = pass_callback_by
) -> None:
    configure_logs(SERVICE, level=settings.log_level, style=settings.log_format)
    log = get_logger()
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
    providers = ConfiguredProviders(settings, database, system_clock)
    processor = build_processor(database, ringer, settings, providers, worker_id=worker_id, on_step=on_step)
    register_tasks(broker, processor, concurrency=settings.concurrency)
    callbacks = CallbackHandler(database, ringer, system_clock, on_callback_step)
    register_callback_task(broker, callbacks)
    receiver = Receiver(broker, max_async_tasks=settings.concurrency, wait_tasks_timeout=settings.drain_seconds)
    sweeper = Sweeper(
        database, payments_bell, ringer, listener=broker, lease_limit_seconds=settings.lease_limit_seconds
    )
    simulator_callbacks = SimulatorCallbacks(database, ringer, system_clock)
    auditor = Auditor(
        database,
        worker_id=worker_id,
        service=SERVICE,
        lease_limit_seconds=settings.lease_limit_seconds,
        clock=system_clock,
    )
    worker = Worker(
        id=worker_id,
        service=SERVICE,
        database=database,
        health=Health(needed={"postgresql": schema_check(database)}, wanted={"redis": payments_bell.check}),
        host=settings.host,
        metrics_port=settings.metrics_port,
        silent_after_seconds=settings.worker_silent_after_seconds,
    )

    await run_worker(
        worker,
        work=receiver.listen,
        loops=[
            Loop(name="simulator", action=simulator_callbacks.send, every_seconds=SEND_EVERY_SECONDS),
            Loop(name="sweep", action=sweeper.sweep, every_seconds=SWEEP_EVERY_SECONDS),
            Loop(name="measure", action=sweeper.measure, every_seconds=MEASURE_EVERY_SECONDS),
            Loop(name="audit", action=auditor.audit, every_seconds=settings.audit_every_seconds),
            Loop(name="tidy", action=payments_bell.tidy, every_seconds=TIDY_EVERY_SECONDS),
            *callbacks.loops(),
        ],
        release_leases=release_payment_leases,
        beside=[ringer.run],
    )

    for each in (broker, payments_bell, webhooks_bell, providers):
        await each.shutdown()
    await database.close()
    log.info("worker.stopped")

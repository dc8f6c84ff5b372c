"""The dispatcher process, read top to bottom: built, started, stopped in reverse."""

import asyncio

from taskiq.receiver import Receiver

from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.db.schema import schema_check
from gateway_common.ids import WORKER, new_id
from gateway_common.logs import configure_logs, get_logger
from gateway_common.queue.broker import DoorbellBroker
from gateway_common.queue.messages import WEBHOOKS_STREAM
from gateway_common.serving import Health
from gateway_common.telemetry import QUEUE_LAG
from gateway_common.webhooks.claim_store import release_delivery_leases
from gateway_common.workers.lifecycle import Loop, Worker, run_worker
from gateway_webhook_dispatcher.client import WebhookClient
from gateway_webhook_dispatcher.delivery import Deliverer
from gateway_webhook_dispatcher.dispatcher import Dispatcher
from gateway_webhook_dispatcher.health import HealthKeeper
from gateway_webhook_dispatcher.housekeeping import Housekeeper
from gateway_webhook_dispatcher.ledger import LedgerKeeper
from gateway_webhook_dispatcher.settings import DispatcherSettings
from gateway_webhook_dispatcher.tasks import RING_SLOTS, register_tasks

SERVICE = "webhook-dispatcher"
TIDY_EVERY_SECONDS = 10.0


async def main() -> None:
    settings = DispatcherSettings()
    configure_logs(SERVICE, level=settings.log_level, style=settings.log_format)
    log = get_logger()
    worker_id = new_id(WORKER, system_clock())

    database = Database(
        settings.database_url, application_name=f"gateway-{SERVICE}", pool_size=settings.database_pool_size
    )
    broker = DoorbellBroker(settings.redis_url, stream=WEBHOOKS_STREAM, consumer=worker_id)
    client = WebhookClient(
        guard=settings.guard,
        kept_connections=settings.concurrency,
        timeout_seconds=settings.webhook_timeout_seconds,
        longest_timeout_seconds=settings.longest_timeout_seconds,
        clock=system_clock,
    )
    healths = HealthKeeper(database, in_flight_most=settings.webhook_in_flight_per_endpoint, clock=system_clock)
    dispatcher = _make_dispatcher(settings, database, client, healths, worker_id)
    register_tasks(broker, dispatcher)
    receiver = Receiver(broker, max_async_tasks=RING_SLOTS)
    health = Health(needed={"postgresql": schema_check(database)}, wanted={"redis": broker.check})
    worker = Worker(
        id=worker_id,
        service=SERVICE,
        database=database,
        health=health,
        host=settings.host,
        metrics_port=settings.metrics_port,
        silent_after_seconds=settings.worker_silent_after_seconds,
    )

    async def work(stop: asyncio.Event) -> None:
        await asyncio.gather(receiver.listen(stop), dispatcher.run(stop))
        await dispatcher.drain(settings.drain_seconds)

    async def tidy() -> None:
        await broker.tidy()
        QUEUE_LAG.labels("webhooks").set(await broker.lag())

    await run_worker(
        worker,
        work=work,
        loops=[
            *dispatcher.loops(),
            *healths.loops(),
            *Housekeeper(database, system_clock).loops(),
            *LedgerKeeper(database, worker_id=worker_id, service=SERVICE, clock=system_clock).loops(),
            Loop(name="tidy", action=tidy, every_seconds=TIDY_EVERY_SECONDS),
        ],
        release_leases=release_delivery_leases,
    )

    await client.close()
    await broker.shutdown()
    await database.close()
    log.info("worker.stopped")


def _make_dispatcher(
    settings: DispatcherSettings, database: Database, client: WebhookClient, healths: HealthKeeper, worker_id: str
) -> Dispatcher:
    deliverer = Deliverer(
        database,
        client,
        Keyring(settings.gateway_master_key.get_secret_value()),
        healths,
        plan=settings.retry_plan,
        record_for_seconds=settings.lease_limit_seconds,
        clock=system_clock,
    )
    return Dispatcher(
        database,
        deliverer,
        worker_id=worker_id,
        concurrency=settings.concurrency,
        in_flight_most=settings.webhook_in_flight_per_endpoint,
        lease_limit_seconds=settings.lease_limit_seconds,
        silent_after_seconds=settings.worker_silent_after_seconds,
    )

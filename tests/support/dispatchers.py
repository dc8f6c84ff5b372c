"""A dispatcher inside the test's own loop, built as its worker builds it, with a clock and schedule of the test's."""

import asyncio
from collections.abc import Sequence

from gateway_common.clock import Clock, system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.settings import normalize_database_url
from gateway_common.webhooks.claim_store import claim_deliveries
from gateway_common.webhooks.schedule import DEFAULT_INTERVALS_SECONDS, TAIL_INTERVALS_SECONDS, RetryPlan
from gateway_common.workers.store import renew_worker
from gateway_webhook_dispatcher.client import WebhookClient
from gateway_webhook_dispatcher.delivery import Deliverer
from gateway_webhook_dispatcher.dispatcher import Dispatcher
from gateway_webhook_dispatcher.guard import Guard
from gateway_webhook_dispatcher.health import HealthKeeper

LEASE_LIMIT_SECONDS = 35.0
IN_FLIGHT_PER_ENDPOINT = 16


class Running:
    """A dispatcher with a pool of its own. It says that it lives when told to, not by itself."""

    def __init__(
        self,
        database: Database,
        client: WebhookClient,
        dispatcher: Dispatcher,
        healths: HealthKeeper,
        *,
        worker_id: str,
    ) -> None:
        self.worker_id = worker_id
        self.dispatcher = dispatcher
        self.healths = healths
        self._database = database
        self._client = client
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        await self.say_alive()
        await self.dispatcher.run(self._stop)

    async def say_alive(self) -> None:
        async with self._database.statement() as connection:
            await renew_worker(connection, self.worker_id, "webhook-dispatcher")

    async def close(self) -> None:
        """Stop claiming, finish what runs, and close."""
        self._stop.set()
        self.dispatcher.wake()
        await self._task
        await self.dispatcher.drain(10)
        await self._client.close()
        await self._database.close()


def start_dispatcher(
    database_url: str,
    keyring: Keyring,
    started: list[Running],
    *,
    worker_id: str = "wrk_one",
    intervals_seconds: Sequence[float] = DEFAULT_INTERVALS_SECONDS,
    timeout_seconds: float = 10,
    silent_after_seconds: float = 0,
    clock: Clock = system_clock,
) -> Running:
    """Start one and note it in `started`. It takes who is silent for dead at once, unless told to wait."""
    database = Database(normalize_database_url(database_url), application_name=worker_id, pool_size=5)
    client = WebhookClient(
        guard=Guard(allow_private_networks=True), kept_connections=256, timeout_seconds=timeout_seconds, clock=clock
    )
    healths = HealthKeeper(database, in_flight_most=IN_FLIGHT_PER_ENDPOINT, clock=clock)
    deliverer = Deliverer(
        database,
        client,
        keyring,
        healths,
        plan=RetryPlan(intervals_seconds=tuple(intervals_seconds), tail_seconds=TAIL_INTERVALS_SECONDS),
        record_for_seconds=LEASE_LIMIT_SECONDS,
        clock=clock,
    )
    dispatcher = Dispatcher(
        database,
        deliverer,
        worker_id=worker_id,
        concurrency=256,
        in_flight_most=IN_FLIGHT_PER_ENDPOINT,
        lease_limit_seconds=LEASE_LIMIT_SECONDS,
        silent_after_seconds=silent_after_seconds,
    )
    running = Running(database, client, dispatcher, healths, worker_id=worker_id)
    started.append(running)
    return running


async def claim_as_one_that_died(database: Database, worker_id: str, *, most: int = 100) -> int:
    """Take leases as a worker that was last seen long ago; how many."""
    async with database.statement() as connection:
        return len(await claim_deliveries(connection, worker_id, most=most, in_flight_most=most))

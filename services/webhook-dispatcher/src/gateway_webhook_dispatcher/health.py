"""What attempts say about their endpoints: the breaker, recovery, and the end of endpoints that want nothing more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway_common.clock import Clock
from gateway_common.db.database import Connection, Database, DatabaseUnavailableError, StatementRefusedError
from gateway_common.db.gather import Gatherer
from gateway_common.events.model import EventType, new_event
from gateway_common.events.store import insert_events
from gateway_common.logs import get_logger
from gateway_common.telemetry import WEBHOOK_ENDPOINTS
from gateway_common.webhooks.health import after_failure, after_success, should_disable
from gateway_common.webhooks.health_store import list_failing_endpoints, lock_healths, save_healths
from gateway_common.webhooks.model import (
    ClaimedDelivery,
    DisabledReason,
    EndpointStatus,
    endpoint_snapshot,
    with_status,
)
from gateway_common.webhooks.outcome import AttemptResult, FailureReason
from gateway_common.webhooks.replay_store import start_recovery
from gateway_common.webhooks.store import find_locked_endpoint, save_endpoint
from gateway_common.workers.lifecycle import Loop

BATCH_MOST: Final = 256
DISABLE_EVERY_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Report:
    endpoint_id: str
    delivered: bool


class HealthKeeper:
    """Notes how endpoints fare. What is not noted, because the database went away, the next attempt says again."""

    def __init__(self, database: Database, *, in_flight_most: int, clock: Clock) -> None:
        self._database = database
        self._in_flight_most = in_flight_most
        self._clock = clock
        self._reports = Gatherer(self._note_batch, batch_max=BATCH_MOST)
        self._log = get_logger()

    def loops(self) -> list[Loop]:
        return [Loop(name="disable_failing", action=self.disable_failing, every_seconds=DISABLE_EVERY_SECONDS)]

    async def note(self, delivery: ClaimedDelivery, result: AttemptResult) -> None:
        """Take an attempt into account before the next one is claimed."""
        try:
            await self._reports.submit(_Report(delivery.endpoint_id, result.delivered))
            if result.reason is FailureReason.GONE:
                async with self._database.transaction() as connection:
                    await self._disable(connection, delivery.endpoint_id, DisabledReason.GONE, url=delivery.url)
        except (DatabaseUnavailableError, StatementRefusedError) as error:
            self._log.warning("webhook.health_lost", endpoint_id=delivery.endpoint_id, error=str(error))

    async def disable_failing(self) -> None:
        """Disable endpoints that answered nothing but failures for five days."""
        async with self._database.statement() as connection:
            endpoint_ids = await list_failing_endpoints(connection)
        for endpoint_id in endpoint_ids:
            async with self._database.transaction() as connection:
                _, healths = await lock_healths(connection, [endpoint_id])
                if should_disable(healths[endpoint_id]):
                    await self._disable(connection, endpoint_id, DisabledReason.FAILING)

    async def _note_batch(self, reports: Sequence[_Report]) -> list[None]:
        async with self._database.transaction() as connection:
            now, before = await lock_healths(connection, [report.endpoint_id for report in reports])
            healths = dict(before)
            for report in reports:
                health = healths[report.endpoint_id]
                healths[report.endpoint_id] = (
                    after_success(health, now=now, in_flight_most=self._in_flight_most)
                    if report.delivered
                    else after_failure(health, now=now)
                )
            await save_healths(connection, healths.values())
            for endpoint_id, health in sorted(healths.items()):
                # With an allowance: it was enabled again, which forgot its failures but not what they cost it.
                is_doubtful = before[endpoint_id].consecutive_failures or before[endpoint_id].allowance is not None
                if is_doubtful and not health.consecutive_failures:
                    await self._recover(connection, endpoint_id)
        for endpoint_id, health in healths.items():
            if health.trips > before[endpoint_id].trips:
                self._log.warning(
                    "webhook.breaker_opened", endpoint_id=endpoint_id, failures=health.consecutive_failures
                )
                WEBHOOK_ENDPOINTS.labels("breaker_opened").inc()
        return [None] * len(reports)

    async def _recover(self, connection: Connection, endpoint_id: str) -> None:
        if await start_recovery(connection, endpoint_id, now=self._clock()):
            self._log.info("webhook.recovery_started", endpoint_id=endpoint_id)
            WEBHOOK_ENDPOINTS.labels("recovery_started").inc()

    async def _disable(
        self, connection: Connection, endpoint_id: str, reason: DisabledReason, *, url: str | None = None
    ) -> None:
        """Disable it, unless the address that is meant is no longer the endpoint's: the new one has said nothing."""
        before = await find_locked_endpoint(connection, endpoint_id)
        if before is None or before.status is EndpointStatus.DISABLED or url not in {None, before.url}:
            return
        now = self._clock()
        endpoint = with_status(before, EndpointStatus.DISABLED, now=now, reason=reason)
        await save_endpoint(connection, endpoint, before=before)
        snapshot = endpoint_snapshot(endpoint)
        event = new_event(
            EventType.WEBHOOK_ENDPOINT_DISABLED,
            snapshot,
            merchant_id=endpoint.merchant_id,
            now=now,
            traceparent=None,
        )
        await insert_events(connection, [event])
        self._log.warning("webhook.endpoint_disabled", endpoint_id=endpoint_id, reason=reason)
        WEBHOOK_ENDPOINTS.labels("disabled").inc()

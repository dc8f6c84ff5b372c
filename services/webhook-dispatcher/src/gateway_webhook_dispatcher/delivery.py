"""One delivery's attempt: sign, post, decide, record. The claim before it is the dispatcher's."""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Final

from gateway_common.clock import Clock
from gateway_common.crypto import Keyring, SealBrokenError
from gateway_common.db.database import Database, DatabaseUnavailableError
from gateway_common.db.gather import Gatherer
from gateway_common.logs import get_logger
from gateway_common.telemetry import WEBHOOK_ATTEMPTS, WEBHOOK_SECONDS, trace_id
from gateway_common.webhooks.model import ClaimedDelivery
from gateway_common.webhooks.outcome import AttemptResult, DeliveryOutcome, FailureReason, decide_outcome
from gateway_common.webhooks.outcome_store import record_outcomes
from gateway_common.webhooks.schedule import RetryPlan
from gateway_webhook_dispatcher.client import WebhookClient
from gateway_webhook_dispatcher.health import HealthKeeper
from gateway_webhook_dispatcher.request import SignedRequest, sign_request

_RECORD_PAUSE_SECONDS: Final = 0.2
_RECORD_PAUSE_LONGEST_SECONDS: Final = 2.0
RECORD_LANES: Final = 2
"""So that a batch that waits for a row somebody holds does not keep all others waiting."""
_LEASE_LOST: Final = "lease_lost"


class Deliverer:
    """Attempts claimed deliveries. Outcomes of attempts that end together are written in one statement."""

    def __init__(
        self,
        database: Database,
        client: WebhookClient,
        keyring: Keyring,
        healths: HealthKeeper,
        *,
        plan: RetryPlan,
        record_for_seconds: float,
        clock: Clock,
    ) -> None:
        self._database = database
        self._client = client
        self._keyring = keyring
        self._healths = healths
        self._plan = plan
        self._record_for_seconds = record_for_seconds
        self._clock = clock
        self._records = Gatherer(self._record_batch, lanes=RECORD_LANES)
        self._log = get_logger()

    async def deliver(self, delivery: ClaimedDelivery) -> None:
        """Make one attempt and record it. One that can't be recorded is made again: at least once, never less."""
        request, result = await self._attempt(delivery)
        outcome = decide_outcome(
            delivery,
            result,
            intervals=self._plan.intervals(with_tail=delivery.retry_tail),
            chance=random.random(),  # noqa: S311 -- jitter only has to differ.
            request_headers=request.shown_headers if request else {},
        )
        # First, while the lease still counts: the endpoint's next place is given away by what this attempt says of it.
        # That we can't open its secret is no fault of the endpoint's.
        if result.reason is not FailureReason.SEAL_BROKEN and (delivery.noteworthy or not result.delivered):
            await self._healths.note(delivery, result)
        recorded = await self._record(outcome)
        self._tell(outcome, recorded=recorded)

    async def _attempt(self, delivery: ClaimedDelivery) -> tuple[SignedRequest | None, AttemptResult]:
        now = self._clock()
        try:
            request = sign_request(delivery, self._keyring, timestamp=int(now.timestamp()))
        except SealBrokenError as error:
            self._log.error("webhook.secret_unreadable", endpoint_id=delivery.endpoint_id, error=str(error))
            reason = FailureReason.SEAL_BROKEN
            error_text = "the endpoint's secret can't be read"
            return None, AttemptResult(started_at=now, duration_ms=0, reason=reason, error=error_text)
        result = await self._client.post(
            delivery.url,
            request.headers,
            delivery.body,
            livemode=delivery.livemode,
            timeout_seconds=delivery.timeout_seconds,
        )
        return request, result

    async def _record(self, outcome: DeliveryOutcome) -> bool:
        """Write the outcome, waiting out an outage: the answer is known only here, and asking again is a duplicate."""
        deadline = time.monotonic() + self._record_for_seconds
        pause = _RECORD_PAUSE_SECONDS
        while True:
            try:
                return await self._records.submit(outcome)
            except DatabaseUnavailableError:
                if time.monotonic() + pause > deadline:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, _RECORD_PAUSE_LONGEST_SECONDS)

    async def _record_batch(self, outcomes: Sequence[DeliveryOutcome]) -> list[bool]:
        async with self._database.statement() as connection:
            return await record_outcomes(connection, outcomes)

    def _tell(self, outcome: DeliveryOutcome, *, recorded: bool) -> None:
        delivery, result = outcome.delivery, outcome.result
        status = outcome.status if recorded else _LEASE_LOST
        # What is gone is disabled, so its delivery is held.
        next_in_seconds = None if result.reason is FailureReason.GONE else outcome.due_in_seconds
        WEBHOOK_ATTEMPTS.labels(status, result.reason or "").inc()
        WEBHOOK_SECONDS.observe(result.duration_ms / 1000)
        self._log.info(
            "webhook.attempt",
            delivery_id=delivery.id,
            endpoint_id=delivery.endpoint_id,
            event_id=delivery.event_id,
            event_type=delivery.event_type,
            attempt=delivery.attempts + 1,
            status=status,
            response_status=result.response_status,
            reason=result.reason,
            error=result.error,
            milliseconds=result.duration_ms,
            next_in_seconds=next_in_seconds and round(next_in_seconds, 1),
            trace_id=trace_id(delivery.traceparent),
        )

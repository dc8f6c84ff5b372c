"""One delivery's attempt: sign, post, decide, record. The claim before it is the dispatcher's."""

import asyncio
import random
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from gateway_common.clock import Clock
from gateway_common.crypto import Keyring, SealBrokenError
from gateway_common.db.database import Database, DatabaseUnavailableError
from gateway_common.db.gather import Gatherer
from gateway_common.logs import get_logger
from gateway_common.telemetry import WEBHOOK_ATTEMPTS, WEBHOOK_SECONDS, trace_id
from gateway_common.webhooks.model import ClaimedDelivery, seal_context
from gateway_common.webhooks.outcome import AttemptResult, DeliveryOutcome, decide_outcome
from gateway_common.webhooks.queue_store import record_outcomes
from gateway_common.webhooks.signing import sign_body, sign_standard
from gateway_webhook_dispatcher.client import WebhookClient

USER_AGENT: Final = f"PaymentGateway-Webhooks/{version('gateway-webhook-dispatcher')}"
_RECORD_PAUSE_SECONDS: Final = 0.2
_RECORD_PAUSE_LONGEST_SECONDS: Final = 2.0


class Deliverer:
    """Attempts claimed deliveries. Outcomes of attempts that end together are written in one statement."""

    def __init__(
        self,
        database: Database,
        client: WebhookClient,
        keyring: Keyring,
        *,
        intervals_seconds: Sequence[float],
        record_for_seconds: float,
        clock: Clock,
    ) -> None:
        self._database = database
        self._client = client
        self._keyring = keyring
        self._intervals_seconds = intervals_seconds
        self._record_for_seconds = record_for_seconds
        self._clock = clock
        self._records = Gatherer(self._record_batch)
        self._log = get_logger()

    async def deliver(self, delivery: ClaimedDelivery) -> None:
        """Make one attempt and record it. One that can't be recorded is made again: at least once, never less."""
        result = await self._attempt(delivery)
        chance = random.random()  # noqa: S311 -- jitter only has to differ.
        outcome = decide_outcome(delivery, result, intervals=self._intervals_seconds, chance=chance)
        recorded = await self._record(outcome)
        WEBHOOK_ATTEMPTS.labels(outcome.status if recorded else "lease_lost").inc()
        WEBHOOK_SECONDS.observe(result.duration_ms / 1000)
        self._log.info(
            "webhook.attempt",
            delivery_id=delivery.id,
            event_id=delivery.event_id,
            event_type=delivery.event_type,
            attempt=delivery.attempts + 1,
            status=outcome.status if recorded else "lease_lost",
            response_status=result.response_status,
            error=result.error,
            milliseconds=result.duration_ms,
            next_in_seconds=outcome.due_in_seconds and round(outcome.due_in_seconds, 1),
            trace_id=trace_id(delivery.traceparent),
        )

    async def _attempt(self, delivery: ClaimedDelivery) -> AttemptResult:
        now = self._clock()
        try:
            secret = self._keyring.unseal(delivery.sealed_secret, context=seal_context(delivery.endpoint_id))
        except SealBrokenError as error:
            self._log.error("webhook.secret_unreadable", endpoint_id=delivery.endpoint_id, error=str(error))
            return AttemptResult(started_at=now, duration_ms=0, error="the endpoint's secret can't be read")
        headers = signed_headers(delivery, secret.decode(), timestamp=int(now.timestamp()))
        return await self._client.post(delivery.url, headers, delivery.body, livemode=delivery.livemode)

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


def signed_headers(delivery: ClaimedDelivery, secret: str, *, timestamp: int) -> dict[str, str]:
    """The headers of one attempt. `webhook-id` is the event's, the same on every attempt, to dedupe by."""
    headers = {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": USER_AGENT,
        "X-Webhook-Event": delivery.event_type,
        "X-Webhook-Delivery": delivery.id,
        "X-Webhook-Attempt": str(delivery.attempts + 1),
        "X-Webhook-Signature": sign_body(secret, delivery.body),
        "webhook-id": delivery.event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign_standard(
            secret, webhook_id=delivery.event_id, timestamp=timestamp, body=delivery.body
        ),
    }
    if delivery.traceparent is not None:
        headers["traceparent"] = delivery.traceparent
    return headers

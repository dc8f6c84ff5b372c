"""What became of a merchant's deliveries; one tried again now, and a ping that tries an endpoint."""

from typing import Any

from gateway_api.answers import CREATED, Answer, answer
from gateway_api.auth import Caller
from gateway_api.idempotency import Attempt, Idempotency
from gateway_common.clock import Clock
from gateway_common.db.database import Connection, Database
from gateway_common.events.model import EventType, new_event
from gateway_common.events.store import insert_private_event
from gateway_common.queue.ringer import Ringer
from gateway_common.webhooks.attempt_store import list_attempts
from gateway_common.webhooks.attempts import DeliveryDetail
from gateway_common.webhooks.changes import check_enabled, check_retry, without_ended_secret
from gateway_common.webhooks.delivery_store import DeliveryFilter, get_delivery, list_deliveries
from gateway_common.webhooks.model import WebhookDelivery, delivery_snapshot, endpoint_snapshot
from gateway_common.webhooks.retry_store import lock_delivery, retry_delivery
from gateway_common.webhooks.store import hold_endpoint


class WebhookDeliveryService:
    def __init__(self, database: Database, idempotency: Idempotency, ringer: Ringer, clock: Clock) -> None:
        self._database = database
        self._idempotency = idempotency
        self._ringer = ringer
        self._clock = clock

    async def list(
        self, caller: Caller, wanted: DeliveryFilter, *, limit: int, starting_after: str | None
    ) -> tuple[list[WebhookDelivery], str | None]:
        """A page of deliveries, and where the search for more has to go on if it ended before its end."""
        async with self._database.statement() as connection:
            return await list_deliveries(
                connection,
                wanted,
                merchant_id=caller.merchant_id,
                livemode=caller.livemode,
                limit=limit,
                starting_after=starting_after,
            )

    async def get(self, caller: Caller, delivery_id: str) -> DeliveryDetail:
        """A delivery with what it sends and its last attempts."""
        async with self._database.statement() as connection:
            delivery, body = await get_delivery(
                connection, delivery_id, merchant_id=caller.merchant_id, livemode=caller.livemode
            )
            attempts = await list_attempts(connection, delivery_id, delivery.created_at)
        return DeliveryDetail(delivery=delivery, request_body=body, attempts=attempts)

    async def retry(self, caller: Caller, delivery_id: str, attempt: Attempt | None) -> Answer:
        """Have the delivery tried now, whatever became of it before."""

        async def act(connection: Connection) -> Answer:
            scope: dict[str, Any] = {"merchant_id": caller.merchant_id, "livemode": caller.livemode}
            check_retry(await lock_delivery(connection, delivery_id, **scope))
            await retry_delivery(connection, delivery_id)
            delivery, _ = await get_delivery(connection, delivery_id, **scope)
            return answer(200, delivery_snapshot(delivery))

        given = await self._idempotency.run(attempt, act)
        self._ringer.ring_webhooks()
        return given

    async def ping(self, caller: Caller, endpoint_id: str, attempt: Attempt | None, traceparent: str) -> Answer:
        """Record an event for this endpoint alone; the answer is its delivery."""

        async def act(connection: Connection) -> Answer:
            scope: dict[str, Any] = {"merchant_id": caller.merchant_id, "livemode": caller.livemode}
            endpoint = await hold_endpoint(connection, endpoint_id, **scope)
            check_enabled(endpoint_id, endpoint.status)
            now = self._clock()
            snapshot = endpoint_snapshot(without_ended_secret(endpoint, now))
            event = new_event(
                EventType.PING, snapshot, merchant_id=caller.merchant_id, now=now, traceparent=traceparent
            )
            delivery_id = await insert_private_event(connection, event, endpoint_id)
            delivery, _ = await get_delivery(connection, delivery_id, **scope)
            return answer(CREATED, delivery_snapshot(delivery))

        given = await self._idempotency.run(attempt, act)
        self._ringer.ring_webhooks()
        return given

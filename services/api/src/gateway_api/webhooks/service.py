"""A merchant's webhook endpoints, and what became of the deliveries to them."""

from gateway_api.answers import CREATED, Answer, answer
from gateway_api.auth import Caller
from gateway_api.idempotency import Attempt, Idempotency
from gateway_api.webhooks.schemas import CreateEndpoint
from gateway_common.clock import Clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Connection, Database
from gateway_common.errors import UnprocessableError
from gateway_common.ids import WEBHOOK_ENDPOINT, new_id
from gateway_common.webhooks.model import (
    EndpointStatus,
    WebhookDelivery,
    WebhookEndpoint,
    endpoint_snapshot,
    seal_context,
    with_status,
)
from gateway_common.webhooks.settle_store import settle_endpoints
from gateway_common.webhooks.signing import new_secret
from gateway_common.webhooks.store import (
    get_endpoint,
    insert_endpoint,
    list_deliveries,
    list_endpoints,
    lock_endpoint,
    save_endpoint,
)


class WebhookService:
    def __init__(self, database: Database, idempotency: Idempotency, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._idempotency = idempotency
        self._keyring = keyring
        self._clock = clock

    async def create_endpoint(self, caller: Caller, wanted: CreateEndpoint, attempt: Attempt | None) -> Answer:
        """Store the endpoint with a new secret, which only this answer shows."""
        if caller.livemode and not wanted.url.lower().startswith("https://"):
            raise UnprocessableError("In live mode the address must be https://.", param="url")

        async def act(connection: Connection) -> Answer:
            now = self._clock()
            endpoint_id, secret = new_id(WEBHOOK_ENDPOINT, now), new_secret()
            endpoint = WebhookEndpoint(
                id=endpoint_id,
                merchant_id=caller.merchant_id,
                livemode=caller.livemode,
                url=wanted.url,
                description=wanted.description,
                event_types=[str(event_type) for event_type in wanted.event_types],
                status=EndpointStatus.ENABLED,
                sealed_secret=self._keyring.seal(secret.encode(), context=seal_context(endpoint_id)),
                created_at=now,
                updated_at=now,
            )
            await insert_endpoint(connection, endpoint)
            return answer(CREATED, endpoint_snapshot(endpoint) | {"secret": secret})

        return await self._idempotency.run(attempt, act, sealed=True)

    async def get_endpoint(self, caller: Caller, endpoint_id: str) -> WebhookEndpoint:
        async with self._database.statement() as connection:
            return await get_endpoint(connection, endpoint_id, merchant_id=caller.merchant_id, livemode=caller.livemode)

    async def list_endpoints(self, caller: Caller, *, limit: int, starting_after: str | None) -> list[WebhookEndpoint]:
        async with self._database.statement() as connection:
            return await list_endpoints(
                connection,
                merchant_id=caller.merchant_id,
                livemode=caller.livemode,
                limit=limit,
                starting_after=starting_after,
            )

    async def delete_endpoint(self, caller: Caller, endpoint_id: str) -> None:
        async with self._database.transaction() as connection:
            before = await lock_endpoint(
                connection, endpoint_id, merchant_id=caller.merchant_id, livemode=caller.livemode
            )
            deleted = with_status(before, EndpointStatus.DELETED, now=self._clock())
            await save_endpoint(connection, deleted, before=before)
        await self._settle(endpoint_id)

    async def _settle(self, endpoint_id: str) -> None:
        """Have the first waiting deliveries follow the endpoint's new status at once; the dispatcher moves the rest."""
        async with self._database.statement() as connection:
            await settle_endpoints(connection, endpoint_id=endpoint_id)

    async def list_deliveries(self, caller: Caller, *, limit: int, starting_after: str | None) -> list[WebhookDelivery]:
        async with self._database.statement() as connection:
            return await list_deliveries(
                connection,
                merchant_id=caller.merchant_id,
                livemode=caller.livemode,
                limit=limit,
                starting_after=starting_after,
            )

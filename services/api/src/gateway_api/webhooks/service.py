"""A merchant's webhook endpoints: made, changed, paused and deleted. Their secrets and deliveries stand apart."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from gateway_api.answers import CREATED, Answer, answer
from gateway_api.auth import Caller
from gateway_api.idempotency import Attempt, Idempotency
from gateway_api.webhooks.schemas import CreateEndpoint, UpdateEndpoint
from gateway_common.clock import Clock
from gateway_common.crypto import Keyring, SealBrokenError
from gateway_common.db.database import Connection, Database
from gateway_common.errors import UnprocessableError
from gateway_common.events.model import EventType, new_event
from gateway_common.events.store import insert_events
from gateway_common.ids import WEBHOOK_ENDPOINT, new_id
from gateway_common.queue.ringer import Ringer
from gateway_common.webhooks.changes import check_room, decide_change, without_ended_secret
from gateway_common.webhooks.health import EndpointHealth
from gateway_common.webhooks.health_store import read_health
from gateway_common.webhooks.model import (
    EndpointStatus,
    WebhookEndpoint,
    endpoint_snapshot,
    with_status,
)
from gateway_common.webhooks.sealing import seal_headers, seal_secret, unseal_headers
from gateway_common.webhooks.settle_store import settle_endpoints
from gateway_common.webhooks.signing import new_secret
from gateway_common.webhooks.store import (
    count_endpoints,
    get_endpoint,
    insert_endpoint,
    list_endpoints,
    lock_endpoint,
    save_endpoint,
)

_HTTPS_PORT = 443


class WebhookService:
    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        ringer: Ringer,
        keyring: Keyring,
        clock: Clock,
        *,
        live_ports: frozenset[int],
    ) -> None:
        self._database = database
        self._idempotency = idempotency
        self._ringer = ringer
        self._keyring = keyring
        self._clock = clock
        self._live_ports = live_ports

    async def create_endpoint(self, caller: Caller, wanted: CreateEndpoint, attempt: Attempt | None) -> Answer:
        """Store the endpoint with a new secret."""
        self._check_live(caller, wanted.url)

        async def act(connection: Connection) -> Answer:
            scope: dict[str, Any] = {"merchant_id": caller.merchant_id, "livemode": caller.livemode}
            check_room(await count_endpoints(connection, **scope))
            now = self._clock()
            endpoint_id, secret = new_id(WEBHOOK_ENDPOINT, now), new_secret()
            endpoint = WebhookEndpoint(
                id=endpoint_id,
                **scope,
                **wanted.values(),
                **self._own_headers(wanted.headers or {}, endpoint_id),
                status=EndpointStatus.ENABLED,
                sealed_secret=seal_secret(self._keyring, secret, endpoint_id),
                created_at=now,
                updated_at=now,
            )
            await insert_endpoint(connection, endpoint)
            return answer(CREATED, endpoint_snapshot(endpoint) | {"secret": secret})

        return await self._idempotency.run(attempt, act, sealed=True)

    async def update_endpoint(
        self, caller: Caller, endpoint_id: str, wanted: UpdateEndpoint, traceparent: str
    ) -> WebhookEndpoint:
        """Change what was said. That it takes events again is an event; that its merchant paused it is none."""
        values = wanted.values()
        if "url" in values:
            self._check_live(caller, wanted.url)
        async with self._database.transaction() as connection:
            before = await lock_endpoint(
                connection, endpoint_id, merchant_id=caller.merchant_id, livemode=caller.livemode
            )
            now = self._clock()
            if "headers" in wanted.model_fields_set:
                values |= self._changed_headers(before, wanted.headers or {})
            after = decide_change(before, values, wanted.wanted_status, now=now)
            if after is None:
                return without_ended_secret(before, now)
            await save_endpoint(connection, after, before=before)
            is_let_go = after.status is EndpointStatus.ENABLED and before.status is not after.status
            if is_let_go:
                event = new_event(
                    EventType.WEBHOOK_ENDPOINT_ENABLED,
                    endpoint_snapshot(after),
                    merchant_id=caller.merchant_id,
                    now=now,
                    traceparent=traceparent,
                )
                await insert_events(connection, [event])
        if after.status is not before.status:
            await self._settle(endpoint_id)
        if is_let_go:
            self._ringer.ring_webhooks()
        return after

    async def get_endpoint(self, caller: Caller, endpoint_id: str) -> tuple[WebhookEndpoint, EndpointHealth]:
        """The endpoint and how it fares."""
        async with self._database.statement() as connection:
            endpoint = await get_endpoint(
                connection, endpoint_id, merchant_id=caller.merchant_id, livemode=caller.livemode
            )
            health = await read_health(connection, endpoint_id)
        return without_ended_secret(endpoint, self._clock()), health

    async def list_endpoints(self, caller: Caller, *, limit: int, starting_after: str | None) -> list[WebhookEndpoint]:
        async with self._database.statement() as connection:
            found = await list_endpoints(
                connection,
                merchant_id=caller.merchant_id,
                livemode=caller.livemode,
                limit=limit,
                starting_after=starting_after,
            )
        now = self._clock()
        return [without_ended_secret(endpoint, now) for endpoint in found]

    async def delete_endpoint(self, caller: Caller, endpoint_id: str) -> None:
        async with self._database.transaction() as connection:
            before = await lock_endpoint(
                connection, endpoint_id, merchant_id=caller.merchant_id, livemode=caller.livemode
            )
            # Nothing is ever signed with the old secret again, nor sent with the merchant's own headers.
            deleted = replace(
                with_status(before, EndpointStatus.DELETED, now=self._clock()),
                sealed_old_secret=None,
                old_secret_until=None,
                promoted_at=None,
                header_names=[],
                sealed_headers=None,
            )
            await save_endpoint(connection, deleted, before=before)
        await self._settle(endpoint_id)

    async def _settle(self, endpoint_id: str) -> None:
        """Have the first waiting deliveries follow the endpoint's new status at once; the dispatcher moves the rest."""
        async with self._database.statement() as connection:
            await settle_endpoints(connection, endpoint_id=endpoint_id)

    def _check_live(self, caller: Caller, url: str) -> None:
        """UnprocessableError for what the dispatcher would not send to. Where the name leads is judged there."""
        if not caller.livemode:
            return
        parts = urlsplit(url)
        if parts.scheme != "https":
            raise UnprocessableError("In live mode the address must be https://.", param="url")
        if (parts.port or _HTTPS_PORT) not in self._live_ports:
            ports = " or ".join(map(str, sorted(self._live_ports)))
            raise UnprocessableError(f"In live mode the port must be {ports}.", param="url")

    def _changed_headers(self, endpoint: WebhookEndpoint, headers: dict[str, str]) -> dict[str, Any]:
        """The endpoint's fields for these headers, none if it has them already: what is sealed anew looks different."""
        try:
            present = unseal_headers(self._keyring, endpoint.sealed_headers, endpoint.id)
        except SealBrokenError:
            return self._own_headers(headers, endpoint.id)
        return {} if headers == present else self._own_headers(headers, endpoint.id)

    def _own_headers(self, headers: dict[str, str], endpoint_id: str) -> dict[str, Any]:
        return {
            "header_names": list(headers),
            "sealed_headers": seal_headers(self._keyring, headers, endpoint_id),
        }

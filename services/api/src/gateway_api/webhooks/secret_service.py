"""The signing secrets of a merchant's endpoint: shown, rotated with an overlap, and the new one promoted."""

from datetime import timedelta
from typing import Any

from gateway_api.answers import Answer, answer
from gateway_api.auth import Caller
from gateway_api.idempotency import Attempt, Idempotency
from gateway_common.clock import Clock, format_time
from gateway_common.crypto import Keyring, SealBrokenError
from gateway_common.db.database import Connection, Database
from gateway_common.errors import ConflictError
from gateway_common.webhooks.changes import decide_promotion, decide_rotation, without_ended_secret
from gateway_common.webhooks.model import endpoint_snapshot
from gateway_common.webhooks.sealing import seal_secret, unseal_secret
from gateway_common.webhooks.signing import new_secret
from gateway_common.webhooks.store import get_endpoint, lock_endpoint, save_endpoint


class WebhookSecretService:
    def __init__(self, database: Database, idempotency: Idempotency, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._idempotency = idempotency
        self._keyring = keyring
        self._clock = clock

    async def rotate(self, caller: Caller, endpoint_id: str, overlap: timedelta, attempt: Attempt | None) -> Answer:
        """Give the endpoint a new secret; the old one signs too for the overlap."""

        async def act(connection: Connection) -> Answer:
            before = await lock_endpoint(
                connection, endpoint_id, merchant_id=caller.merchant_id, livemode=caller.livemode
            )
            secret = new_secret()
            sealed = seal_secret(self._keyring, secret, endpoint_id)
            after = decide_rotation(before, sealed, overlap=overlap, now=self._clock())
            await save_endpoint(connection, after, before=before)
            return answer(200, endpoint_snapshot(after) | {"secret": secret})

        return await self._idempotency.run(attempt, act, sealed=True)

    async def promote(self, caller: Caller, endpoint_id: str, attempt: Attempt | None) -> Answer:
        """Have the plain header signed by the new secret from now on."""

        async def act(connection: Connection) -> Answer:
            before = await lock_endpoint(
                connection, endpoint_id, merchant_id=caller.merchant_id, livemode=caller.livemode
            )
            after = decide_promotion(before, now=self._clock())
            if after is not None:
                await save_endpoint(connection, after, before=before)
            return answer(200, endpoint_snapshot(after or before))

        return await self._idempotency.run(attempt, act)

    async def reveal(self, caller: Caller, endpoint_id: str) -> dict[str, Any]:
        """The secrets that sign now, in clear; ConflictError if they can't be opened any more."""
        async with self._database.statement() as connection:
            stored = await get_endpoint(
                connection, endpoint_id, merchant_id=caller.merchant_id, livemode=caller.livemode
            )
        endpoint = without_ended_secret(stored, self._clock())
        until = endpoint.old_secret_until
        return {
            "object": "webhook_endpoint_secret",
            "secret": self._open(endpoint.sealed_secret, endpoint_id),
            "old_secret": endpoint.sealed_old_secret and self._open(endpoint.sealed_old_secret, endpoint_id),
            "old_secret_expires_at": until and format_time(until),
            "plain_signature_uses": "old" if until and endpoint.promoted_at is None else "current",
        }

    def _open(self, sealed: bytes, endpoint_id: str) -> str:
        try:
            return unseal_secret(self._keyring, sealed, endpoint_id)
        except SealBrokenError as error:
            raise ConflictError("The endpoint's secret can't be read any more: rotate it.") from error

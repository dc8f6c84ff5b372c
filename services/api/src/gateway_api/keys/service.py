"""A merchant's API keys: made, rotated and revoked by a caller whose own key reaches as far."""

from datetime import timedelta

from gateway_api.answers import CREATED, Answer, answer
from gateway_api.auth import Caller
from gateway_api.idempotency import Attempt, Idempotency
from gateway_api.keys.schemas import CreateKey
from gateway_common.clock import Clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Connection, Database
from gateway_common.merchants.model import (
    ApiKey,
    api_key_snapshot,
    check_expiry,
    check_lifetime,
    check_not_replaced,
    check_reach,
    decide_revocation,
    decide_rotation,
    new_api_key,
    new_key_id,
    new_secret,
)
from gateway_common.merchants.store import (
    get_api_key,
    get_merchant,
    insert_api_key,
    insert_successor,
    list_api_keys,
    save_api_key,
)


class KeyService:
    def __init__(self, database: Database, idempotency: Idempotency, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._idempotency = idempotency
        self._keyring = keyring
        self._clock = clock

    async def create(self, caller: Caller, wanted: CreateKey, attempt: Attempt | None) -> Answer:
        """Store a key of the caller's mode with a new secret, which only this answer shows."""
        scopes = frozenset(wanted.scopes)
        check_reach(scopes, caller.scopes)

        async def act(connection: Connection) -> Answer:
            check_not_replaced(caller.replaced_by)
            check_lifetime(wanted.expires_at, caller.expires_at)
            now = self._clock()
            check_expiry(wanted.expires_at, now)
            secret = new_secret(livemode=caller.livemode)
            key = new_api_key(
                await get_merchant(connection, caller.merchant_id),
                self._keyring.hash_secret(secret),
                livemode=caller.livemode,
                name=wanted.name,
                scopes=scopes,
                expires_at=wanted.expires_at,
                now=now,
            )
            await insert_api_key(connection, key)
            return answer(CREATED, api_key_snapshot(key) | {"secret": secret})

        return await self._idempotency.run(attempt, act, sealed=True)

    async def rotate(self, caller: Caller, key_id: str, overlap: timedelta, attempt: Attempt | None) -> Answer:
        """Store the key's successor, whose secret only this answer shows; the key works on for the overlap."""
        async with self._database.statement() as connection:
            # Also before an answer is given again: it holds the secret.
            await self._get_within_reach(connection, caller, key_id)

        async def act(connection: Connection) -> Answer:
            key = await self._get_within_reach(connection, caller, key_id, lock=True)
            if key_id != caller.key_id:
                check_not_replaced(caller.replaced_by)
            now, secret = self._clock(), new_secret(livemode=key.livemode)
            successor_id = new_key_id(now, livemode=key.livemode)
            retired, successor = decide_rotation(
                key, successor_id, self._keyring.hash_secret(secret), overlap=overlap, now=now
            )
            await insert_successor(connection, retired, successor)
            return answer(CREATED, api_key_snapshot(successor) | {"secret": secret})

        return await self._idempotency.run(attempt, act, sealed=True)

    async def revoke(self, caller: Caller, key_id: str, attempt: Attempt | None) -> Answer:
        """End a key, also the caller's own. Processes that know it honour it for a second more, see auth.py."""

        async def act(connection: Connection) -> Answer:
            key = decide_revocation(await self._get_within_reach(connection, caller, key_id, lock=True), self._clock())
            await save_api_key(connection, key)
            return answer(200, api_key_snapshot(key))

        return await self._idempotency.run(attempt, act)

    async def get(self, caller: Caller, key_id: str) -> ApiKey:
        async with self._database.statement() as connection:
            return await get_api_key(connection, key_id, merchant_id=caller.merchant_id, livemode=caller.livemode)

    async def list(self, caller: Caller, *, limit: int, starting_after: str | None) -> list[ApiKey]:
        async with self._database.statement() as connection:
            return await list_api_keys(
                connection,
                merchant_id=caller.merchant_id,
                livemode=caller.livemode,
                limit=limit,
                starting_after=starting_after,
            )

    async def _get_within_reach(
        self, connection: Connection, caller: Caller, key_id: str, *, lock: bool = False
    ) -> ApiKey:
        """The key; NotFoundError, or ForbiddenError if it may more than the caller."""
        key = await get_api_key(connection, key_id, merchant_id=caller.merchant_id, livemode=caller.livemode, lock=lock)
        check_reach(key.scopes, caller.scopes)
        return key

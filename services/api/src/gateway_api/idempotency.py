"""Runs a POST at most once per Idempotency-Key, its answer kept in the transaction of its effect."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from fastapi import Request

from gateway_api.answers import Answer
from gateway_api.auth import Caller
from gateway_api.fields import RequestBody
from gateway_common.clock import Clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Connection, Database
from gateway_common.errors import IdempotencyKeyReuseError
from gateway_common.idempotency.model import (
    IdempotencyScope,
    KeyUse,
    StoredAnswer,
    in_progress,
    parse_idempotency_key,
    seal_context,
)
from gateway_common.idempotency.store import (
    count_replay,
    find_answer,
    insert_answer,
    list_key_uses,
    lock_key,
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request with a key: the key's scope, and what must be the same for it to be the same request."""

    scope: IdempotencyScope
    content: bytes = field(repr=False)
    """In clear: it may hold a card number. Only its keyed digest is stored."""
    request_id: str


def attempt_of(request: Request, caller: Caller, body: RequestBody) -> Attempt | None:
    """The request's idempotency attempt, None if it has no key. InvalidRequestError for a malformed key.

    The path counts as content: one key for two payments' captures is a mistake, not a replay.
    """
    key = parse_idempotency_key(request.headers.get("idempotency-key"))
    if key is None:
        return None
    route = f"{request.method} {request.scope['route'].path}"
    scope = IdempotencyScope(merchant_id=caller.merchant_id, livemode=caller.livemode, route=route, key=key)
    content = request.scope["path"].encode() + b"\n" + body.content()
    return Attempt(scope, content, request.scope["state"]["request_id"])


class Idempotency:
    """Answers kept by key. `sealed` answers hold a secret and are encrypted at rest."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock

    def keep(self, attempt: Attempt, given: Answer, *, sealed: bool = False) -> StoredAnswer:
        """The answer as it is stored."""
        body = self._keyring.seal(given.body, context=seal_context(attempt.scope)) if sealed else given.body
        return StoredAnswer(
            scope=attempt.scope,
            fingerprint=self._keyring.fingerprint(attempt.content),
            status=given.status,
            body=body,
            sealed=sealed,
            created_at=self._clock(),
            request_id=attempt.request_id,
        )

    async def run(
        self,
        attempt: Attempt | None,
        act: Callable[[Connection], Awaitable[Answer]],
        *,
        sealed: bool = False,
    ) -> Answer:
        """Run `act` in a transaction, unless this request was answered before; then give that answer again.

        IdempotencyInProgressError while the first one runs, IdempotencyKeyReuseError if the body is another. What
        `act` raises is not kept: the same key may try again.
        """
        async with self._database.transaction() as connection:
            if attempt is None:
                return await act(connection)
            if not await lock_key(connection, attempt.scope):
                raise in_progress()
            stored = await find_answer(connection, attempt.scope)
            if stored is not None:
                given = self._replay(attempt, stored)
                await count_replay(connection, attempt.scope, self._clock())
                return given
            given = await act(connection)
            await insert_answer(connection, self.keep(attempt, given, sealed=sealed))
            return given

    async def find(self, attempt: Attempt) -> Answer | None:
        """The answer that is stored under this key, if there is one."""
        async with self._database.statement() as connection:
            stored = await find_answer(connection, attempt.scope)
            if stored is None:
                return None
            given = self._replay(attempt, stored)
            await count_replay(connection, attempt.scope, self._clock())
        return given

    async def list_uses(self, caller: Caller, key: str, routes: list[str]) -> list[KeyUse]:
        async with self._database.statement() as connection:
            return await list_key_uses(
                connection, key, merchant_id=caller.merchant_id, livemode=caller.livemode, routes=routes
            )

    def _replay(self, attempt: Attempt, stored: StoredAnswer) -> Answer:
        if not self._keyring.verify_fingerprint(attempt.content, stored.fingerprint):
            raise IdempotencyKeyReuseError("This Idempotency-Key was used before, with another request.")
        if stored.sealed:
            stored = replace(stored, body=self._keyring.unseal(stored.body, context=seal_context(attempt.scope)))
        return Answer(stored.status, stored.body, replayed=True)

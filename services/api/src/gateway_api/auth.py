"""Who is calling. A key with its secret opens the merchant's API; the key alone opens only checkout."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import Request

from gateway_api.key_uses import KeyUses
from gateway_api.limits import RateLimiter
from gateway_common.clock import Clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.errors import ForbiddenError, UnauthenticatedError
from gateway_common.merchants.model import ApiKey, Scope, explain_inactive, is_active
from gateway_common.merchants.store import find_api_key

CACHED_SECONDS: Final = 1.0
"""How long a revoked key may still work. A busy merchant costs one look-up a second, not one a request."""
_CACHED_MOST: Final = 10_000
_REFUSED: Final = "The API key or its secret is wrong."


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose data the request may see: one merchant's, in one mode; and what else its key says."""

    merchant_id: str
    merchant_name: str
    livemode: bool
    key_id: str
    scopes: frozenset[Scope]
    fee_basis_points: int
    expires_at: datetime | None = None
    replaced_by: str | None = None


class Authenticator:
    """FastAPI dependencies that find the caller or raise UnauthenticatedError, ForbiddenError or RateLimitedError."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock, uses: KeyUses, limiter: RateLimiter) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self._uses = uses
        self._limiter = limiter
        self._cache: dict[str, tuple[float, ApiKey]] = {}
        self._verified: dict[str, bytes] = {}
        self._process_key = secrets.token_bytes(32)

    def may(self, scope: Scope) -> Callable[[Request], Awaitable[Caller]]:
        """The one dependency of a route that needs this scope: each costs a request 25 µs."""

        async def allowed(request: Request) -> Caller:
            caller = await self.merchant(request)
            if scope not in caller.scopes:
                raise ForbiddenError(f"This needs an API key with the scope {scope}.")
            return caller

        return allowed

    async def merchant(self, request: Request) -> Caller:
        """The caller by `X-Api-Key` and `X-Api-Secret`, or by HTTP Basic with the same pair."""
        try:
            key = await self._prove(request)
            caller = self._caller(request, key)
        except UnauthenticatedError:
            await self._limiter.take_for_address(request)
            raise
        await self._limiter.take_for_key(request, key.id)
        return caller

    async def _prove(self, request: Request) -> ApiKey:
        key_id, secret = _credentials(request)
        key = await self._find(key_id)
        if key is None or not self._fits(key, secret):
            raise UnauthenticatedError(_REFUSED)
        return key

    def _fits(self, key: ApiKey, secret: str) -> bool:
        """Whether the secret is the key's. What was verified once is known again by a digest ten times as fast."""
        digest = hashlib.blake2b(secret.encode(), key=self._process_key).digest()
        known = self._verified.get(key.secret_hash)
        if known is not None and hmac.compare_digest(known, digest):
            return True
        if not self._keyring.verify_secret(secret, key.secret_hash):
            return False
        if not self._keyring.is_hash_current(key.secret_hash):
            # Not remembered, so that it is noted at each use until it is renewed.
            self._uses.note_renewal(key, self._clock(), self._keyring.hash_secret(secret))
            return True
        if len(self._verified) >= _CACHED_MOST:
            self._verified.clear()
        self._verified[key.secret_hash] = digest
        return True

    async def publishable(self, request: Request) -> Caller:
        """The caller by `X-Api-Key` alone, as a browser sends it."""
        await self._limiter.take_for_address(request)
        key = await self._find(request.headers.get("x-api-key", ""))
        if key is None:
            raise UnauthenticatedError("The X-Api-Key header holds no key that is known and active.")
        return self._caller(request, key)

    def _caller(self, request: Request, key: ApiKey) -> Caller:
        now = self._clock()
        if not is_active(key, now):
            raise UnauthenticatedError(explain_inactive(key))
        self._uses.note(key, now)
        request.scope["state"]["log"] = {"merchant_id": key.merchant_id}
        return Caller(
            key.merchant_id,
            key.merchant_name,
            key.livemode,
            key_id=key.id,
            scopes=key.scopes,
            fee_basis_points=key.merchant_fee_basis_points,
            expires_at=key.expires_at,
            replaced_by=key.replaced_by,
        )

    async def _find(self, key_id: str) -> ApiKey | None:
        if not key_id.startswith(("key_test_", "key_live_")) or not key_id.isprintable() or len(key_id) > 100:  # noqa: PLR2004
            return None
        cached = self._cache.get(key_id)
        if cached is not None and time.monotonic() < cached[0]:
            return cached[1]
        async with self._database.statement() as connection:
            key = await find_api_key(connection, key_id)
        if key is not None:
            if len(self._cache) >= _CACHED_MOST:
                self._cache.clear()
            self._cache[key_id] = (time.monotonic() + CACHED_SECONDS, key)
        return key


def _credentials(request: Request) -> tuple[str, str]:
    headers = request.headers
    key_id, secret = headers.get("x-api-key"), headers.get("x-api-secret")
    if key_id is not None and secret is not None:
        return key_id, secret
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise UnauthenticatedError("Send the headers X-Api-Key and X-Api-Secret, or HTTP Basic with the same pair.")
    try:
        key_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError as error:
        raise UnauthenticatedError("The Authorization header is not HTTP Basic with a key and its secret.") from error
    return key_id, secret

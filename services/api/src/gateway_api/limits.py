"""How often a caller may ask: one who proved its key takes from the key's bucket, anybody else from its address's.

Without a verdict a request passes: a limit protects the gateway, and must not be what stops it.
"""

from typing import Literal

from fastapi import Request

from gateway_api.addresses import bucket_address
from gateway_api.token_buckets import Bucket, Limit, TokenBuckets
from gateway_common.errors import RateLimitedError
from gateway_common.telemetry import rate_limit_checks


class RateLimiter:
    """Counts a request against its bucket, notes the headers of its answer, and refuses it if the bucket is empty."""

    def __init__(self, buckets: TokenBuckets, *, per_key: Limit, per_address: Limit) -> None:
        self._buckets = buckets
        self._per_key = per_key
        self._per_address = per_address

    async def take_for_key(self, request: Request, key_id: str) -> None:
        """For a caller who has the key's secret; RateLimitedError."""
        await self._take(request, "key", Bucket(f"gateway:limits:key:{key_id}", self._per_key))

    async def take_for_address(self, request: Request) -> None:
        """For a caller who proved nothing; RateLimitedError."""
        name = f"gateway:limits:address:{bucket_address(request.scope)}"
        await self._take(request, "address", Bucket(name, self._per_address))

    async def _take(self, request: Request, kind: Literal["key", "address"], bucket: Bucket) -> None:
        verdict = await self._buckets.take(bucket)
        if verdict is None:
            rate_limit_checks(kind, "skipped").inc()
            return
        request.scope["state"]["rate_limit"] = verdict
        rate_limit_checks(kind, "allowed" if verdict.is_allowed else "limited").inc()
        if not verdict.is_allowed:
            seconds = verdict.retry_after_seconds
            raise RateLimitedError(f"Too many requests. Try again in {seconds} s.", retry_after_seconds=seconds)

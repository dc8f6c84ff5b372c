"""Token buckets in Redis, shared by all instances of the API. Whose a bucket is, and what a refusal says, is limits.py.

Redis away, hung or flushed gives no verdict and holds nobody up: a limit must not be what stops the gateway.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from redis.exceptions import NoScriptError

from gateway_common.db.gather import Gatherer
from gateway_common.logs import get_logger
from gateway_common.queue.connection import RedisFailure, connect_redis

TIMEOUT_SECONDS: Final = 0.1
_TURNS: Final = 100
"""So many turns of the loop Redis gets besides: a process too busy to read the answer has not waited in vain yet. Else
a flood would switch off the limits that are there for it."""
BREAKER_SECONDS: Final = 2.0
"""After Redis failed, nobody is checked for this long, so an outage slows one batch of requests every so often."""
_BATCH_MOST: Final = 512
_TOKEN: Final = 1_000_000
"""Levels are in millionths of a token: microseconds times tokens a second, so whole rates need no rounding."""

# One bucket a call, so that keys may lie on any node of a cluster. It answers the level before anything was taken;
# a refusal changes nothing. What is forgotten is full, and so is what was never there.
_SCRIPT: Final = """
local rate, most, wanted = tonumber(ARGV[1]), ARGV[2] * 1000000, ARGV[3] * 1000000
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local level = most
local kept = redis.call('GET', KEYS[1])
if kept then
  local left, at = string.match(kept, '(%S+) (%S+)')
  level = math.min(most, left + math.max(0, now - at) * rate)
end
local taken = math.min(wanted, level - level % 1000000)
if taken > 0 then
  local left = level - taken
  local full_in_ms = math.ceil((most - left) / rate / 1000)
  redis.call('SET', KEYS[1], string.format('%.17g %.17g', left, now), 'PX', full_in_ms)
end
return level
"""
_SCRIPT_SHA: Final = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


Outcome = TypeVar("Outcome")


class Limit(NamedTuple):
    """So many requests a second for ever, and `burst` at once after a rest."""

    per_second: float
    burst: int


class Bucket(NamedTuple):
    """A bucket's name in Redis, which holds nothing secret, and its limit."""

    name: str
    limit: Limit


class Verdict(NamedTuple):
    """What became of one request, in the words of its headers."""

    is_allowed: bool
    limit: int
    remaining: int
    reset_seconds: int
    """Until the bucket is full."""
    retry_after_seconds: int
    """Until there is a token for one request."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset_seconds),
        ]


class TokenBuckets:
    """Takes tokens for concurrent requests in one round trip, and one call for each bucket among them."""

    def __init__(self, redis_url: str) -> None:
        # An answer may take longer than we wait for it: who judges is `_in_time`, which knows whether we were slow.
        self._redis = connect_redis(
            redis_url, timeout_seconds=BREAKER_SECONDS, connect_timeout_seconds=TIMEOUT_SECONDS, connections=4
        )
        self._gatherer: Gatherer[Bucket, Verdict | None] = Gatherer(self._take_batch, batch_max=_BATCH_MOST)
        self._closed_until = 0.0
        self._log = get_logger()

    async def take(self, bucket: Bucket) -> Verdict | None:
        """Take one token. None when Redis does not answer in time: nobody knows, so nobody is refused."""
        if time.monotonic() < self._closed_until:
            return None
        return await self._gatherer.submit(bucket)

    async def close(self) -> None:
        await self._redis.aclose()

    async def _take_batch(self, wanted: Sequence[Bucket]) -> list[Verdict | None]:
        if time.monotonic() < self._closed_until:
            return [None] * len(wanted)
        try:
            levels = await _in_time(self._take_all(Counter(wanted)))
        except RedisFailure as error:
            self._closed_until = time.monotonic() + BREAKER_SECONDS
            self._log.warning("rate_limit.skipped", error=str(error) or type(error).__name__)
            return [None] * len(wanted)
        verdicts: list[Verdict | None] = []
        for bucket in wanted:
            verdict = decide_verdict(bucket.limit, levels[bucket])
            levels[bucket] -= _TOKEN * verdict.is_allowed
            verdicts.append(verdict)
        return verdicts

    async def _take_all(self, counts: Mapping[Bucket, int]) -> dict[Bucket, int]:
        """Take as many tokens from each bucket as there are; its level before that."""
        levels = await self._call("EVALSHA", _SCRIPT_SHA, counts)
        forgotten = {bucket: counts[bucket] for bucket, level in levels.items() if isinstance(level, NoScriptError)}
        if forgotten:
            # A Redis that was started anew or flushed knows no script; this tells it.
            levels |= await self._call("EVAL", _SCRIPT, forgotten)
        for level in levels.values():
            if isinstance(level, Exception):
                raise level
        return levels

    async def _call(self, command: str, script: str, counts: Mapping[Bucket, int]) -> dict[Bucket, Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for (name, limit), count in counts.items():
            pipeline.execute_command(command, script, 1, name, limit.per_second, limit.burst, count)
        return dict(zip(counts, await pipeline.execute(raise_on_error=False), strict=True))


async def _in_time(call: Coroutine[Any, Any, Outcome]) -> Outcome:
    """What the call answers; TimeoutError, and the call is cancelled, if time and turns are up."""
    task = asyncio.create_task(call)
    await asyncio.wait({task}, timeout=TIMEOUT_SECONDS)
    for _ in range(_TURNS):
        if task.done():
            return task.result()
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    raise TimeoutError


def decide_verdict(limit: Limit, level: int) -> Verdict:
    """Whether a bucket at this level, in millionths of a token, gives one token, and what there is to say about it."""
    is_allowed = level >= _TOKEN
    left = level - _TOKEN if is_allowed else level
    return Verdict(
        is_allowed,
        limit.burst,
        left // _TOKEN,
        _seconds(limit.burst * _TOKEN - left, limit),
        max(1, _seconds(_TOKEN - left, limit)),
    )


def _seconds(missing: int, limit: Limit) -> int:
    """How long the missing millionths take to drip in, rounded up."""
    return -int(-missing // (limit.per_second * _TOKEN))

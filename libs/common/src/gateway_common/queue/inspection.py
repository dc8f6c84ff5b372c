"""What a Redis server is, for who wonders why something does not work."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway_common.queue.broker import QueueUnavailableError

_TIMEOUT_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisFacts:
    name: str
    """`redis`, or whose server speaks its language."""
    version: str
    compatible_version: tuple[int, ...]
    """The version of Redis it speaks the language of."""
    maxmemory_policy: str
    now: datetime


async def inspect_redis(url: str) -> RedisFacts:
    """Ask the server at this address; QueueUnavailableError if it does not answer, ValueError for no address."""
    client = Redis.from_url(url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS)
    try:
        info = await client.info()
        seconds, microseconds = await client.time()
    except (RedisError, OSError) as error:
        raise QueueUnavailableError(str(error) or type(error).__name__) from error
    finally:
        await client.aclose()
    name = str(info.get("server_name", "redis"))
    compatible = str(info["redis_version"])
    return RedisFacts(
        name=name,
        version=str(info.get(f"{name}_version", compatible)),
        compatible_version=tuple(int(part) for part in compatible.split(".") if part.isdigit()),
        maxmemory_policy=str(info["maxmemory_policy"]),
        now=datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds),
    )

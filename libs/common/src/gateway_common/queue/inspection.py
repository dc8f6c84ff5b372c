"""What the servers at an address of Redis are, for who wonders why something does not work."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from redis.asyncio import RedisCluster

from gateway_common.queue.broker import QueueUnavailableError
from gateway_common.queue.connection import RedisClient, RedisFailure, connect_redis

Info: TypeAlias = dict[str, Any]
Time: TypeAlias = tuple[int, int]

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


async def inspect_redis(url: str) -> list[RedisFacts]:
    """Ask the server at this address, the Sentinels' master, or each master of a cluster.

    QueueUnavailableError if one does not answer, ValueError for no address.
    """
    client = connect_redis(
        url, timeout_seconds=_TIMEOUT_SECONDS, connect_timeout_seconds=_TIMEOUT_SECONDS, connections=1
    )
    try:
        return [_read_facts(info, time) for info, time in await _ask(client)]
    except RedisFailure as error:
        raise QueueUnavailableError(str(error) or type(error).__name__) from error
    finally:
        await client.aclose()


async def _ask(client: RedisClient) -> list[tuple[Info, Time]]:
    if not isinstance(client, RedisCluster):
        return [(await client.info(), await client.time())]
    await client.initialize()
    return [
        (await client.info(target_nodes=node), await client.time(target_nodes=node)) for node in client.get_primaries()
    ]


def _read_facts(info: Info, time: Time) -> RedisFacts:
    name = str(info.get("server_name", "redis"))
    compatible = str(info["redis_version"])
    seconds, microseconds = time
    return RedisFacts(
        name=name,
        version=str(info.get(f"{name}_version", compatible)),
        compatible_version=tuple(int(part) for part in compatible.split(".") if part.isdigit()),
        maxmemory_policy=str(info["maxmemory_policy"]),
        now=datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds),
    )

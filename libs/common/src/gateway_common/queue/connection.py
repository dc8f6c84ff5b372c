"""From an address to the one client a part of the gateway shares: of a server, of a Sentinels' master, of a cluster.

Whatever happens to Redis, these clients find their way again by themselves; the stock ones don't, in the cases here.
"""

import asyncio
from typing import Any, Final, TypeAlias

from redis.asyncio import BlockingConnectionPool, Connection, Redis, RedisCluster, Sentinel, SSLConnection
from redis.asyncio.cluster import ClusterNode, ClusterPipeline
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, SentinelConnectionPool, SentinelManagedConnection
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ReadOnlyError, RedisClusterException, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway_common.redis_address import RedisAddress, parse_redis_url

RedisClient: TypeAlias = Redis | RedisCluster
RedisFailure: Final = (RedisError, RedisClusterException, OSError)
"""All that a client raises when Redis is away, hung, half there or changing: a cluster's failures are a tree apart."""
_HEALTH_CHECK_SECONDS: Final = 15
_CONNECTIONS_PER_CLUSTER_NODE: Final = 64
"""The cluster's client does not wait for a free connection, it fails; so this is more than are ever busy at once."""


def connect_redis(url: str, *, timeout_seconds: float, connect_timeout_seconds: float, connections: int) -> RedisClient:
    """Make the client, which connects when it is first used; ValueError for an address that can't be read."""
    address = parse_redis_url(url)
    options: dict[str, Any] = {
        "username": address.username,
        "password": address.password,
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": connect_timeout_seconds,
        "health_check_interval": _HEALTH_CHECK_SECONDS,
        "retry": Retry(NoBackoff(), 1),
    }
    if address.form == "cluster":
        nodes = [ClusterNode(host, port) for host, port in address.nodes]
        return _Cluster(
            startup_nodes=nodes,
            max_connections=_CONNECTIONS_PER_CLUSTER_NODE,
            ssl=address.is_tls,
            **options | address.tls_files,
        )
    options |= {"db": address.database, "max_connections": connections, "timeout": timeout_seconds}
    if address.form == "sentinel":
        sentinels = _Sentinels(address, connect_timeout_seconds)
        pool: BlockingConnectionPool = _MasterPool(  # type: ignore[no-untyped-call]
            address.master_name,
            sentinels,
            connection_class=_TlsMasterConnection if address.is_tls else _MasterConnection,
            **options | address.tls_files,
        )
    else:
        [(host, port)] = address.nodes
        connection_class = _TlsConnection if address.is_tls else _Connection
        pool = BlockingConnectionPool(
            connection_class=connection_class, host=host, port=port, **options | address.tls_files
        )
    return Redis.from_pool(pool)


class _Connection(Connection):
    """Leaves a server that has become a replica: the address may mean another by now, as with Sentinel's own kind."""

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)
        except ReadOnlyError as error:
            await self.disconnect()
            raise RedisConnectionError(str(error)) from error


class _TlsConnection(_Connection, SSLConnection):
    pass


class _MasterConnection(SentinelManagedConnection):
    """Asks the Sentinels each time it connects; the stock one, on its second try, goes back to where it was."""

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        if not self.is_connected:
            await self.connect()  # type: ignore[no-untyped-call]
        await super().send_packed_command(*args, **kwargs)


class _TlsMasterConnection(_MasterConnection, SSLConnection):
    pass


class _MasterPool(SentinelConnectionPool, BlockingConnectionPool):
    """Waits for a free connection where the stock pool of a master fails, and closes its Sentinels with itself."""

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


class _Sentinels(Sentinel):
    """Asked all at once, where the stock client asks one after the other: one that hangs holds nobody up."""

    def __init__(self, address: RedisAddress, timeout_seconds: float) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            address.nodes,
            sentinel_kwargs={
                "username": address.username,
                "password": address.password,
                "socket_timeout": timeout_seconds,
                "socket_connect_timeout": timeout_seconds,
                "retry": Retry(NoBackoff(), 1),
                "ssl": address.is_tls,
                "redis_connect_func": _greet_sentinel,
            }
            | address.tls_files,
        )

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        asked = [asyncio.create_task(self._ask(sentinel, service_name)) for sentinel in self.sentinels]
        reasons = []
        try:
            for answer in asyncio.as_completed(asked):
                try:
                    return await answer
                except RedisFailure as error:
                    reasons.append(str(error) or type(error).__name__)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        raise MasterNotFoundError(f"no Sentinel knows a living master {service_name!r}: {', '.join(reasons)}")

    async def _ask(self, sentinel: Redis, master_name: str) -> tuple[str, int]:
        masters: Any = await sentinel.sentinel_masters()
        state = masters.get(master_name)
        if state is None:
            raise MasterNotFoundError("not known")
        if not self.check_master_state(state, master_name):
            raise MasterNotFoundError("down")
        return state["ip"], state["port"]


async def _greet_sentinel(connection: Connection) -> None:
    """Sign in with the login of Redis itself; a Sentinel that does not know it is asked without."""
    try:
        await connection.on_connect()
    except AuthenticationError:
        connection.username = connection.password = None
        await connection.on_connect()


class _Cluster(RedisCluster):
    """Finds out where the slots are however little time its callers have.

    A node that hangs raises nothing by itself, so a call that was cut off is a reason to look again; and looking takes
    longer than the API waits for a rate limit, so it goes on when who asked has left.
    """

    _looking: asyncio.Task[RedisCluster] | None = None

    async def initialize(self, *args: Any, **kwargs: Any) -> RedisCluster:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(super().initialize(*args, **kwargs))
        # Gathered, so that a failure for which nobody waits any more is not reported as one that got lost.
        looking = asyncio.gather(self._looking, return_exceptions=True)
        [found] = await asyncio.shield(looking)
        if isinstance(found, asyncio.CancelledError):
            raise RedisConnectionError("closed while looking for the nodes") from None
        if isinstance(found, BaseException):
            raise found
        return self

    async def aclose(self) -> None:
        if self._looking is not None and not self._looking.done():
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await super().aclose()

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> ClusterPipeline:
        if transaction or shard_hint:
            raise RedisClusterException("only plain pipelines work on a cluster")
        return _ClusterPipeline(self)  # type: ignore[abstract]

    def forget_slots(self) -> None:
        self._initialize = True

    def get_node(self, *args: Any, **kwargs: Any) -> ClusterNode:
        node = super().get_node(*args, **kwargs)
        if node is None:
            # Asked to follow a slot to a node that has none yet. The stock client fails here with an AttributeError.
            raise RedisConnectionError("the cluster is moving slots to a node that nobody knows yet")
        return node


class _ClusterPipeline(ClusterPipeline):
    cluster_client: _Cluster

    async def execute(self, *args: Any, **kwargs: Any) -> list[Any]:
        try:
            return await super().execute(*args, **kwargs)
        except asyncio.CancelledError:
            self.cluster_client.forget_slots()
            raise

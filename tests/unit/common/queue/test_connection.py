"""A client is made without connecting, and with TLS in all that it will connect."""

from typing import Any

import pytest
from redis.asyncio import SSLConnection

from gateway_common.queue.connection import connect_redis


def client_of(url: str) -> Any:
    return connect_redis(url, timeout_seconds=1, connect_timeout_seconds=1, connections=1)


@pytest.mark.parametrize(("scheme", "files"), [("redis", ""), ("rediss", "?ssl_ca_certs=/ca.pem")])
async def test_tls_is_for_servers_sentinels_and_nodes_alike(scheme: str, files: str) -> None:
    server = client_of(f"{scheme}://u:p@r/1{files}")
    master = client_of(f"{scheme}+sentinel://u:p@a,b/main/1{files}")
    cluster = client_of(f"{scheme}+cluster://u:p@a,b{files}")

    pools = [server.connection_pool, master.connection_pool]
    pools += [sentinel.connection_pool for sentinel in master.connection_pool.sentinel_manager.sentinels]
    made = [pool.make_connection() for pool in pools] + [node.acquire_connection() for node in cluster.startup_nodes]
    assert len(made) == 6
    assert [isinstance(connection, SSLConnection) for connection in made] == [bool(files)] * 6
    if files:
        assert {connection.ssl_context.ca_certs for connection in made} == {"/ca.pem"}
    assert {(connection.username, connection.password) for connection in made} == {("u", "p")}
    assert [connection.db for connection in made] == [1, 1, 0, 0, 0, 0]

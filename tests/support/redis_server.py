"""A Valkey of a test's own that can be stopped and started again at the same address, and one that never answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.servers import temporary_folder

from gateway_cli.local.log import Log
from gateway_cli.local.ports import find_free_ports
from gateway_cli.local.process import Process
from gateway_cli.local.valkey import redis_url, valkey_program


class RedisServer:
    def __init__(self, url: str, process: Process) -> None:
        self.url = url
        self.start = process.start
        self.stop = process.stop


@asynccontextmanager
async def redis_server() -> AsyncIterator[RedisServer]:
    """Start a server; whatever the test did to it, it is stopped in the end."""
    (port,) = find_free_ports(1)
    with temporary_folder() as folder:
        log = Log(folder / "redis.log")
        process = Process(valkey_program(folder / "redis", port, durable=False), log, lambda _: None)
        await process.start()
        try:
            yield RedisServer(redis_url(port), process)
        finally:
            await process.stop()
            log.close()


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """Take connections and never say a word, as a Redis that hangs; yields its address."""
    writers: list[asyncio.StreamWriter] = []

    async def keep(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    finally:
        for writer in writers:
            writer.transport.abort()
        server.close()
        await server.wait_closed()

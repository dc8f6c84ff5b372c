"""A line to a server that can be cut, mended, or made to lose one answer that matters. Real sockets, real errors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536


class Line:
    """Forwards connections to a server. Errors look to both ends as those of a real network."""

    def __init__(self, host: str, port: int) -> None:
        self.lost_answers = 0
        self._host, self._port = host, port
        self._is_cut = False
        self._flows = asyncio.Event()
        self._flows.set()
        self._losing: bytes | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Break every connection, and each new one at once."""
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self._is_cut = False

    def freeze(self) -> None:
        """Let nothing through any more, without a word to either end."""
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    def lose_answer_to(self, words: bytes) -> None:
        """Let the next request with these words reach the server, and break the connection when it answers."""
        self._losing = words

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_connection(self._host, self._port)
        deaf = asyncio.Event()
        self._writers |= {writer, server_writer}
        try:
            await asyncio.gather(self._forward(reader, server_writer, deaf), self._return(server_reader, writer, deaf))
        finally:
            self._writers -= {writer, server_writer}
            for each in (writer, server_writer):
                each.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._flows.wait()
                if self._losing is not None and self._losing in data:
                    self._losing = None
                    deaf.set()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def _return(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                if deaf.is_set():
                    self.lost_answers += 1
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[tuple[Line, str]]:
    """Lay a line to the server of this address; yields it and the address at its near end."""
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise ValueError(f"no host and port in {url}")
    line = Line(parts.hostname, parts.port)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    near_port = server.sockets[0].getsockname()[1]
    user = f"{parts.username}@" if parts.username else ""
    try:
        yield line, parts._replace(netloc=f"{user}127.0.0.1:{near_port}").geturl()
    finally:
        server.close()
        line.thaw()
        line.cut()
        await server.wait_closed()

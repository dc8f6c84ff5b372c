"""A merchant's webhook receiver that keeps all it gets, and answers each path as well or as badly as a test wants."""

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from anyio.from_thread import start_blocking_portal


@dataclass(frozen=True)
class Received:
    """A webhook as it came: when, by the monotonic clock, header names in lower case, the very bytes of the body."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


class Receiver:
    """Speaks just enough HTTP/1.1 for a test to misbehave on any layer of it."""

    def __init__(self) -> None:
        self.url = ""
        self.in_flight_most: Counter[str] = Counter()
        self._received: dict[str, list[Received]] = defaultdict(list)
        self._answers: dict[str, Answer] = {}
        self._in_flight: Counter[str] = Counter()
        self._connections: set[asyncio.Task[None]] = set()

    def answer(self, path: str, answer: Answer) -> str:
        """Answer requests to the path so from now on; returns the path's address. Other paths are answered 200."""
        self._answers[path] = answer
        return self.url + path

    def at(self, path: str) -> list[Received]:
        """What came to the path so far, in order."""
        return list(self._received[path])

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not writer.is_closing():
                await self._serve_request(reader, writer)
        writer.transport.abort()

    async def _serve_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        received = Received(time.monotonic(), path, headers, body)
        self._received[path].append(received)
        self._in_flight[path] += 1
        self.in_flight_most[path] = max(self.in_flight_most[path], self._in_flight[path])
        try:
            await self._answers.get(path, answering(200))(received, writer)
            await writer.drain()
        finally:
            self._in_flight[path] -= 1

    async def close(self) -> None:
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


def answering(*statuses: int, headers: str = "", body: bytes = b"thanks", after_seconds: float = 0) -> Answer:
    """An answer of the first status to the first request, and so on; the last one is repeated."""
    left = list(statuses)

    async def answer(_: Received, writer: asyncio.StreamWriter) -> None:
        status = left.pop(0) if len(left) > 1 else left[0]
        await asyncio.sleep(after_seconds)
        writer.write(f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    return answer


def repeating(beginning: bytes, piece: bytes, *, every_seconds: float = 0) -> Answer:
    """An answer that never ends: the beginning, then one piece after the other."""

    async def answer(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(beginning)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(every_seconds)

    return answer


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port, in the caller's event loop."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve_connection, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        server.close()
        await receiver.close()
        await server.wait_closed()


@contextmanager
def receiver_in_thread() -> Iterator[Receiver]:
    """A receiver in an event loop of its own, for tests that have none."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running_receiver()) as receiver:
        yield receiver

"""Receivers that mean harm, each a server on a port and in a thread of its own, and what they do to who connects."""

import asyncio
import contextlib
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache

from anyio.from_thread import start_blocking_portal

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
FOR_EVER = 3_600.0
OK = b"HTTP/1.1 200 OK\r\n"
GZIP, RAW_DEFLATE, DEFLATE = zlib.MAX_WBITS | 16, -zlib.MAX_WBITS, zlib.MAX_WBITS


@asynccontextmanager
async def _serving(behave: Behaviour, context: ssl.SSLContext | None) -> AsyncIterator[int]:
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await behave(reader, writer)
        writer.transport.abort()

    listener = socket.create_server(("127.0.0.1", 0))
    # What a receiver does not read must not vanish in buffers; whom it accepts inherits this.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024)
    server = await asyncio.start_server(serve, sock=listener, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def hostile_server(behave: Behaviour, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Its port, until the end of the block."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_serving(behave, context)) as port:
        yield port


async def read_request(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)


def sending(*pieces: bytes, then: bytes = b"", every_seconds: float = 0, hang_up: bool = False) -> Behaviour:
    """Reads the request, sends the pieces, then one more over and over, or nothing; hangs up at the end, or waits."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        while then:
            writer.write(then)
            await writer.drain()
            await asyncio.sleep(every_seconds)
        if not hang_up:
            await asyncio.sleep(FOR_EVER)

    return behave


def dripping(text: bytes, *, before: bytes = b"", every_seconds: float = 0.02) -> Behaviour:
    """Sends byte after byte, over and over."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(before)
        while True:
            for byte in text:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(every_seconds)

    return behave


async def hang_up_at_once(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Accept, and close."""


async def hang_up_after_the_head(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def hang_up_in_the_body(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(10)


async def read_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(FOR_EVER)


async def speak_first(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greets as a mail server does, without having been asked."""
    writer.write(b"220 mail.example ESMTP\r\n")
    await writer.drain()
    await asyncio.sleep(FOR_EVER)


async def answer_unasked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers before the body is read, and never reads it."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    await asyncio.sleep(FOR_EVER)


@cache
def bomb(window: int, *, layers: int = 1) -> bytes:
    """50 MiB of nothing, packed into some 50 KiB; and packed again."""
    packed = bytes(50 * 1024 * 1024)
    for _ in range(layers):
        packer = zlib.compressobj(9, zlib.DEFLATED, window)
        packed = packer.compress(packed) + packer.flush()
    return packed


def coded(coding: str, body: bytes) -> bytes:
    """A whole response in a content coding."""
    return OK + f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def coded_in_chunks(coding: str, body: bytes, *, size: int = 100) -> bytes:
    """The same in many small chunks."""
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return OK + f"Content-Encoding: {coding}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\n\r\n"

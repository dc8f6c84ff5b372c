"""Which connections are kept, how long, and which are given up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway_common.clock import system_clock
from gateway_common.webhooks.outcome import AttemptResult
from gateway_webhook_dispatcher.client import WebhookClient
from gateway_webhook_dispatcher.guard import Guard

OK = b"HTTP/1.1 200 OK\r\nSet-Cookie: session=1\r\nContent-Length: 2\r\n\r\nok"
KEPT_MOST = 3


class CountingServer:
    """Answers each request the same, notes its head, and counts connections."""

    def __init__(self) -> None:
        self.url = ""
        self.answer = OK
        self.heads: list[bytes] = []
        self.made = 0
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.made += 1
        self.open += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2)
                self.heads.append(head)
                writer.write(self.answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.open -= 1
            writer.close()

    async def settle(self) -> None:
        """Let what was closed be noticed here."""
        await asyncio.sleep(0.05)


@asynccontextmanager
async def counting_server() -> AsyncIterator[CountingServer]:
    server = CountingServer()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/hook"
        yield server


@pytest.fixture
async def server() -> AsyncIterator[CountingServer]:
    async with counting_server() as server:
        yield server


@pytest.fixture
async def client(server: CountingServer) -> AsyncIterator[WebhookClient]:
    client = WebhookClient(
        guard=Guard(allow_private_networks=True), kept_connections=KEPT_MOST, timeout_seconds=2, clock=system_clock
    )
    yield client
    await client.close()
    await server.settle()
    assert server.open == 0


async def post(client: WebhookClient, url: str) -> AttemptResult:
    return await client.post(url, {"Content-Type": "application/json", "User-Agent": "us"}, b"{}", livemode=False)


async def test_a_connection_is_kept_for_the_next_request(client: WebhookClient, server: CountingServer) -> None:
    first, second = [await post(client, server.url) for _ in range(2)]

    assert (first.delivered, second.delivered) == (True, True)
    assert server.made == 1
    assert (first.phases.dns_ms, second.phases.dns_ms) == (0, None)
    assert (first.phases.connect_ms, second.phases.connect_ms) == (0, None)
    assert first.phases.tls_ms is None
    assert None not in {second.phases.wait_ms, second.phases.read_ms}


async def test_as_many_are_opened_as_are_asked_for_and_few_are_kept(
    client: WebhookClient, server: CountingServer
) -> None:
    results = await asyncio.gather(*(post(client, server.url) for _ in range(40)))

    await server.settle()
    assert all(result.delivered for result in results)
    assert server.made == 40
    assert server.open == KEPT_MOST


async def test_a_connection_is_kept_for_less_time_than_servers_keep_it(
    client: WebhookClient, server: CountingServer
) -> None:
    await post(client, server.url)
    await asyncio.sleep(4.2)

    await post(client, server.url)

    assert server.made == 2


@pytest.mark.parametrize(
    "answer",
    [
        OK * 2,
        OK + b"HTTP/1.1 103 Early Hints\r\n\r\n",
        OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1),
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 100_000,
    ],
    ids=["two answers", "a hint too late", "says close", "an old version", "cut at the cap"],
)
async def test_a_connection_is_given_up_after(client: WebhookClient, server: CountingServer, answer: bytes) -> None:
    server.answer = answer

    results = [await post(client, server.url) for _ in range(3)]

    await server.settle()
    assert [result.response_status for result in results] == [200] * 3
    assert (server.made, server.open) == (3, 0)


async def test_what_comes_unasked_on_a_kept_connection_is_no_answer(
    client: WebhookClient, server: CountingServer
) -> None:
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await server.serve(reader, writer)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/hook"
        await post(client, url)
        writers[0].write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake")
        await server.settle()
        result = await post(client, url)

    assert result.response_body == b"ok"
    assert server.made == 2


async def test_nothing_is_sent_but_what_was_given(client: WebhookClient, server: CountingServer) -> None:
    for _ in range(2):
        await post(client, server.url)

    host = server.url.removeprefix("http://").removesuffix("/hook").encode()
    expected = (
        b"POST /hook HTTP/1.1\r\nHost: " + host + b"\r\nAccept-Encoding: identity\r\nContent-Type: application/json\r\n"
        b"User-Agent: us\r\nContent-Length: 2\r\n\r\n"
    )
    assert server.heads == [expected] * 2

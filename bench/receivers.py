"""A merchants' web server that takes webhooks as fast as Python can and notes when the first byte of each came.

`python -m bench.receivers PORT HOSTS` listens on so many loopback addresses, a host for each endpoint. Paths that
begin with /silent are never answered. GET on 127.0.0.1 asks it: /count, and /take, which also forgets.
"""

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import psutil  # type: ignore[import-untyped]
import uvloop
from bench.stack import Servers, cpu_seconds, running_process

from gateway_cli.local.ports import find_free_ports

SILENT = "/silent"
HOSTS_MOST = 250
POLL_SECONDS = 0.05
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Arrival:
    """One request: when its first byte came, by the clock that all processes of the machine share."""

    at: float
    path: str
    event_id: str
    delivery_id: str


class _Connection(asyncio.Protocol):
    def __init__(self, arrivals: list[tuple[float, str, str, str]]) -> None:
        self._arrivals = arrivals
        self._buffer = b""
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self._buffer:
            self._since = time.time()
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end] + b"\r\n"
            whole = end + 4 + int(_value(head, b"content-length") or 0)
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        method, path, _ = head.split(b" ", 2)
        if method == b"GET":
            self._tell(path)
            return
        event_id, delivery_id = _value(head, b"webhook-id"), _value(head, b"x-webhook-delivery")
        self._arrivals.append((self._since, path.decode(), event_id.decode(), delivery_id.decode()))
        if not path.startswith(SILENT.encode()):
            self._transport.write(_ANSWER)

    def _tell(self, path: bytes) -> None:
        content = json.dumps(len(self._arrivals) if path == b"/count" else self._arrivals).encode()
        if path == b"/take":
            self._arrivals.clear()
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))


def _value(head: bytes, name: bytes) -> bytes:
    """A header's value, whatever case its name was sent in; empty if there is none."""
    start = head.lower().find(b"\r\n" + name + b": ")
    return head[start + len(name) + 4 : head.find(b"\r\n", start + 2)] if start >= 0 else b""


@dataclass(frozen=True)
class Sink:
    """The sink's process, and what it has seen."""

    process: psutil.Process
    port: int
    hosts: int

    def url(self, number: int, path: str = "/hook") -> str:
        """Where the endpoint of this number listens."""
        return f"http://127.0.1.{1 + number % self.hosts}:{self.port}{path}/{number}"

    def count(self) -> int:
        return int(self._ask("/count"))

    def take(self) -> list[Arrival]:
        """What came since this was asked last."""
        return [Arrival(*arrival) for arrival in self._ask("/take")]

    def wait_for(self, count: int, *, timeout_seconds: float) -> None:
        """Return once so many have come since the last `take`."""
        deadline = time.monotonic() + timeout_seconds
        while (came := self.count()) < count:
            if time.monotonic() > deadline:
                raise SystemExit(f"{came} of {count} webhooks within {timeout_seconds:g} s")
            time.sleep(POLL_SECONDS)

    @property
    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process)

    def _ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as response:
            return json.load(response)


@contextmanager
def running_sink(servers: Servers, hosts: int) -> Iterator[Sink]:
    """Run the sink until the end of the block."""
    (port,) = find_free_ports(1)
    hosts = min(hosts, HOSTS_MOST)
    command = ["-m", "bench.receivers", str(port), str(hosts)]
    with running_process(command, port=port, log=servers.folder / "sink.log") as process:
        yield Sink(process, port, hosts)


async def serve(port: int, hosts: int) -> None:
    arrivals: list[tuple[float, str, str, str]] = []
    addresses = ["127.0.0.1", *(f"127.0.1.{1 + number}" for number in range(hosts))]
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(arrivals), addresses, port, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))

"""A closed-loop HTTP/1.1 load generator: each connection sends its next POST once it has the last answer.

Raw sockets on uvloop, no pipelining, about 15 microseconds of CPU a request, so that on two cores the server
stays the bottleneck. It runs as a process of its own (`python -m bench.load`) and prints one JSON line.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import cast

import uvloop

CONNECTIONS_MAX = 256
SECONDS_MAX = 120.0
# A server that stops answering ends the run instead of hanging it.
GRACE_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Target:
    """One POST, repeated; `{key}` in the head becomes a new Idempotency-Key each time."""

    port: int
    path: str
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    key_prefix: str

    def requests(self) -> Iterator[bytes]:
        """Endless requests, each with an Idempotency-Key that no other has."""
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "Content-Type: application/json",
            f"Content-Length: {len(self.body.encode())}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            f"Idempotency-Key: {self.key_prefix}",
        ]
        before, after = "\r\n".join(lines).encode(), b"\r\n\r\n" + self.body.encode()
        return (before + b"%09d" % number + after for number in count())


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run saw. Latencies are in milliseconds, of every answered request."""

    statuses: dict[str, int]
    dropped: int
    seconds: float
    client_cpu_seconds: float
    latency_p50_ms: float
    latency_p99_ms: float

    @property
    def per_second(self) -> float:
        return sum(self.statuses.values()) / self.seconds


class _Run:
    """What the connections of one run share."""

    def __init__(self, requests: Iterator[bytes], seconds: float) -> None:
        self.requests = requests
        self.deadline = time.perf_counter() + seconds
        self.statuses: Counter[bytes] = Counter()
        self.latencies: list[float] = []
        self.dropped = 0


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._buffer = b""
        self._sent_at = 0.0
        self._waiting = False
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not _is_whole(self._buffer):
            return
        now = time.perf_counter()
        self._run.latencies.append(now - self._sent_at)
        self._run.statuses[self._buffer[9:12]] += 1
        self._buffer = b""
        self._waiting = False
        if now < self._run.deadline:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature.
        self._run.dropped += self._waiting
        if not self.closed.done():
            self.closed.set_result(None)

    def _send(self) -> None:
        self._waiting = True
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._run.requests))


def _is_whole(answer: bytes) -> bool:
    """Whether head and body have arrived; every answer we measure says its Content-Length."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = answer[:end].lower()
    start = head.find(b"\r\ncontent-length:")
    if start < 0:
        raise SystemExit(f"an answer without Content-Length: {head[:200]!r}")
    stop = head.find(b"\r\n", start + 2)
    length = int(head[start + 17 : stop if stop >= 0 else end])
    return len(answer) >= end + 4 + length


async def run_load(target: Target, *, connections: int, seconds: float) -> Result:
    """Load `target` for so long; requests under way at the end are waited for and counted."""
    loop = asyncio.get_running_loop()
    run = _Run(target.requests(), seconds)
    cpu, started = time.process_time(), time.perf_counter()
    closed = []
    for _ in range(connections):
        _, connection = await loop.create_connection(lambda: _Connection(run), "127.0.0.1", target.port)
        closed.append(connection.closed)
    await asyncio.wait_for(asyncio.gather(*closed), seconds + GRACE_SECONDS)
    latencies = sorted(run.latencies) or [0.0]
    return Result(
        statuses={status.decode(): number for status, number in sorted(run.statuses.items())},
        dropped=run.dropped,
        seconds=time.perf_counter() - started,
        client_cpu_seconds=time.process_time() - cpu,
        latency_p50_ms=latencies[len(latencies) // 2] * 1000,
        latency_p99_ms=latencies[int(len(latencies) * 0.99)] * 1000,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", help="a Target as JSON")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    result = uvloop.run(
        run_load(
            Target(**json.loads(options.target)),
            connections=min(options.connections, CONNECTIONS_MAX),
            seconds=min(options.seconds, SECONDS_MAX),
        )
    )
    print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()

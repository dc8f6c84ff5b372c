"""The merchants' receivers of a chaos run, in one process: each path well or badly behaved, each request written down.

It tells its port, serves until its input ends, and writes each request to its diary when it has answered it.
"""

import asyncio
import hashlib
import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

ANSWERS: Final = {200: b"OK", 410: b"Gone", 500: b"Internal Server Error", 503: b"Service Unavailable"}
DROPPED: Final = 0
"""The status of a request that got no answer: its connection was cut."""
MEND: Final = "/mend/"
"""Asked for by the harness, with a kind behind it: what was broken works from then on."""
SLOW_SECONDS: Final = 1.0
GONE_AFTER: Final = 20


@dataclass(frozen=True, kw_only=True)
class Request:
    """One webhook as the sink saw it: all times are of its steady clock."""

    came_at: float
    ended_at: float
    path: str
    webhook_id: str
    delivery_id: str
    attempt: int
    status: int
    in_flight: int
    """How many of its path were under way when it had come, this one included."""
    digest: str

    @property
    def failed(self) -> bool:
        """Whether it was answered otherwise than by 2xx, or by nothing."""
        return self.status != 200

    def line(self) -> str:
        return "\t".join(map(str, (self.came_at, self.ended_at, self.path, self.webhook_id, self.delivery_id))) + (
            f"\t{self.attempt}\t{self.status}\t{self.in_flight}\t{self.digest}\n"
        )


def read_diary(path: Path) -> list[Request]:
    """All requests, in the order in which they came."""
    requests = []
    for line in path.read_text().splitlines():
        came_at, ended_at, where, webhook_id, delivery_id, attempt, status, in_flight, digest = line.split("\t")
        requests.append(
            Request(
                came_at=float(came_at),
                ended_at=float(ended_at),
                path=where,
                webhook_id=webhook_id,
                delivery_id=delivery_id,
                attempt=int(attempt),
                status=int(status),
                in_flight=int(in_flight),
                digest=digest,
            )
        )
    return sorted(requests, key=lambda request: request.came_at)


class Sink:
    """How each path behaves, and what came to it. A path begins with its behaviour: `/flaky/17`."""

    def __init__(self, diary: TextIO) -> None:
        self._diary = diary
        self._came: Counter[str] = Counter()
        self._in_flight: Counter[str] = Counter()
        self._seen: set[tuple[str, str]] = set()
        self._mended: set[str] = set()

    def decide(self, path: str, webhook_id: str, chance: int) -> tuple[float, int]:
        """After how many seconds which status. `chance` is a number from 0 to 255 that differs by webhook and try."""
        self._came[path] += 1
        is_first = (path, webhook_id) not in self._seen
        self._seen.add((path, webhook_id))
        answers = {
            "fast": (0.0, 200),
            "quick": (0.005 + 0.045 * chance / 255, 200),
            "flaky": (0.002, 500 if is_first and chance % 4 == 0 else 200),
            "slow": (SLOW_SECONDS, 200),
            "dropping": (0.005, DROPPED if chance % 10 < 3 else 200),
            "broken": (0.0, 200 if "broken" in self._mended else 503),
            "down": (0.0, 200 if "down" in self._mended else 503),
            "gone": (0.0, 410 if self._came[path] > GONE_AFTER else 200),
        }
        return answers[path.split("/")[1]]

    def mend(self, kind: str) -> None:
        self._mended.add(kind)

    def begin(self, path: str) -> int:
        self._in_flight[path] += 1
        return self._in_flight[path]

    def end(self, request: Request) -> None:
        self._in_flight[request.path] -= 1
        self._diary.write(request.line())


class Connection(asyncio.Protocol):
    """Speaks as much HTTP/1.1 as one request after the other needs."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", "0"))
        if len(rest) >= length:
            self._received = rest[length:]
            self._take(lines[0].split(" ")[1], headers, rest[:length])

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        loop = asyncio.get_running_loop()
        if path.startswith(MEND):
            self._sink.mend(path.removeprefix(MEND))
            self._answer(200)
            return
        came_at, in_flight = loop.time(), self._sink.begin(path)
        webhook_id = headers["webhook-id"]
        chance = hashlib.sha256(f"{webhook_id}{self._sink.begin('tries')}".encode()).digest()[0]
        after_seconds, status = self._sink.decide(path, webhook_id, chance)

        def answer() -> None:
            request = Request(
                came_at=came_at,
                ended_at=loop.time(),
                path=path,
                webhook_id=webhook_id,
                delivery_id=headers["x-webhook-delivery"],
                attempt=int(headers["x-webhook-attempt"]),
                status=status,
                in_flight=in_flight,
                digest=hashlib.sha256(body).hexdigest(),
            )
            self._sink.end(request)
            self._answer(status)

        if after_seconds:
            loop.call_later(after_seconds, answer)
        else:
            answer()

    def _answer(self, status: int) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if status == DROPPED:
            self._transport.abort()
        else:
            self._transport.write(b"HTTP/1.1 %d %s\r\nContent-Length: 0\r\n\r\n" % (status, ANSWERS[status]))


async def serve(sink: Sink) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(sink), "127.0.0.1", 0, backlog=1024)
    os.write(sys.stdout.fileno(), b"%d\n" % server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    with Path(sys.argv[1]).open("w", buffering=1) as diary:
        asyncio.run(serve(Sink(diary)))

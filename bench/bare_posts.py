"""What posting the same webhooks costs without a gateway: httpx and aiohttp in loops that do nothing else.

`python -m bench.bare_posts KIND REQUESTS` is such a loop, a process of its own on uvloop. It reads how many to post, a
number a line, posts that many of the requests in the file, 64 at once, and says on a line how long it took.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import aiohttp
import httpx
import uvloop
from bench.stack import ROOT, STOP_SECONDS

IN_FLIGHT = 64
Request = tuple[str, dict[str, str], bytes]
Post = Callable[[str, dict[str, str], bytes], Awaitable[int]]


@dataclass(frozen=True)
class Posted:
    seconds: float
    cpu_seconds: float


class BareLoop:
    """A running loop that waits to be told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def post(self, count: int) -> Posted:
        assert self._process.stdin is not None  # noqa: S101 -- it was opened with pipes.
        assert self._process.stdout is not None  # noqa: S101
        print(count, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args!r} ended before it had posted {count} webhooks")
        return Posted(*json.loads(line))


@contextmanager
def running_loop(kind: str, requests: Path) -> Iterator[BareLoop]:
    """Run a loop of this kind until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.bare_posts", kind, str(requests)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield BareLoop(process)
        finally:
            assert process.stdin is not None  # noqa: S101
            process.stdin.close()
            process.wait(STOP_SECONDS)


def write_requests(path: Path, requests: list[Request]) -> Path:
    path.write_text(json.dumps([(url, headers, body.decode()) for url, headers, body in requests]))
    return path


@asynccontextmanager
async def _httpx() -> AsyncIterator[Post]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as client:

        async def post(url: str, headers: dict[str, str], body: bytes) -> int:
            response = await client.post(url, headers=headers, content=body)
            return response.status_code

        yield post


@asynccontextmanager
async def _aiohttp() -> AsyncIterator[Post]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def post(url: str, headers: dict[str, str], body: bytes) -> int:
            async with session.post(url, headers=headers, data=body) as response:
                await response.read()
                return response.status

        yield post


KINDS = {"httpx": _httpx, "aiohttp": _aiohttp}


async def _post_all(post: Post, requests: Iterator[Request]) -> None:
    for url, headers, body in requests:
        status = await post(url, headers, body)
        if status != 200:
            raise SystemExit(f"{url} answered {status}")


async def main(kind: str, text: str) -> None:
    requests = cycle([(url, headers, body.encode()) for url, headers, body in json.loads(text)])
    async with KINDS[kind]() as post:
        while line := await asyncio.to_thread(sys.stdin.readline):
            cpu, started = time.process_time(), time.perf_counter()
            batch = islice(requests, int(line))
            await asyncio.gather(*(_post_all(post, batch) for _ in range(IN_FLIGHT)))
            print(json.dumps([time.perf_counter() - started, time.process_time() - cpu]), flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2]).read_text()))

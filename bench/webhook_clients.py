"""How dear is an HTTP client? `python -m bench.webhook_clients` posts the same signed bodies with several, in turn.

600 bytes, 64 in flight, uvloop, one sending process; the sink has a process of its own. Bare loops: no database, no
guard, except for "ours", which is the dispatcher's client with all it checks. What is not installed is passed over.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import aiohttp
import httpcore
import httpx
import uvloop
from bench.stack import running_process

from gateway_cli.local.ports import find_free_ports
from gateway_common.clock import system_clock
from gateway_common.webhooks.signing import new_secret, sign_body, sign_standard
from gateway_webhook_dispatcher.client import WebhookClient
from gateway_webhook_dispatcher.guard import Guard

BODY = b'{"id":"evt_01JD0000000000000000000000","data":"' + b"x" * 551 + b'"}'
IN_FLIGHT = 64
YARDSTICK = "aiohttp"
OPTIONAL = {"httpx over aiohttp": "httpx_aiohttp", "pyreqwest": "pyreqwest"}
Post = Callable[[], Awaitable[int]]
Sender = Callable[[str, dict[str, str]], AbstractAsyncContextManager[Post]]


@asynccontextmanager
async def send_by_httpx(url: str, headers: dict[str, str], *, over_aiohttp: bool = False) -> AsyncIterator[Post]:
    transport = None
    if over_aiohttp:
        connector = aiohttp.TCPConnector(limit=0)
        session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        transport = import_module("httpx_aiohttp").AiohttpTransport(client=session)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=IN_FLIGHT)
    async with httpx.AsyncClient(transport=transport, limits=limits, trust_env=False) as client:

        async def post() -> int:
            return (await client.post(url, headers=headers, content=BODY)).status_code

        yield post


@asynccontextmanager
async def send_by_httpcore(url: str, headers: dict[str, str]) -> AsyncIterator[Post]:
    async with httpcore.AsyncConnectionPool(max_connections=None, max_keepalive_connections=IN_FLIGHT) as pool:

        async def post() -> int:
            return (await pool.request("POST", url, headers=list(headers.items()), content=BODY)).status

        yield post


@asynccontextmanager
async def send_by_aiohttp(url: str, headers: dict[str, str]) -> AsyncIterator[Post]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def post() -> int:
            async with session.post(url, headers=headers, data=BODY) as response:
                await response.read()
                return response.status

        yield post


@asynccontextmanager
async def send_by_pyreqwest(url: str, headers: dict[str, str]) -> AsyncIterator[Post]:
    async with import_module("pyreqwest.client").ClientBuilder().no_proxy().build() as client:

        async def post() -> int:
            response = await client.post(url).headers(headers).body_bytes(BODY).build().send()
            await response.bytes()
            return int(response.status)

        yield post


@asynccontextmanager
async def send_by_ours(url: str, headers: dict[str, str]) -> AsyncIterator[Post]:
    guard = Guard(allow_private_networks=True)
    client = WebhookClient(guard=guard, kept_connections=IN_FLIGHT, timeout_seconds=15, clock=system_clock)

    async def post() -> int:
        return (await client.post(url, headers, BODY, livemode=False)).response_status or 0

    yield post
    await client.close()


SENDERS: dict[str, Sender] = {
    "httpx": send_by_httpx,
    "httpcore": send_by_httpcore,
    "httpx over aiohttp": partial(send_by_httpx, over_aiohttp=True),
    "aiohttp": send_by_aiohttp,
    "pyreqwest": send_by_pyreqwest,
    "ours": send_by_ours,
}


@dataclass(frozen=True)
class Sample:
    """What came of a round."""

    per_second: float
    cpu_us: float
    """Of the sending process, all of its threads, a request."""


async def run_round(sender: Sender, url: str, requests: int) -> Sample:
    headers = signed_headers()
    async with sender(url, headers) as post:

        async def send(count: int) -> None:
            for _ in range(count):
                if await post() != 200:
                    raise SystemExit("the sink did not answer 200")

        await asyncio.gather(*(send(2) for _ in range(IN_FLIGHT)))
        cpu, started = time.process_time(), time.perf_counter()
        await asyncio.gather(*(send(requests // IN_FLIGHT) for _ in range(IN_FLIGHT)))
        seconds, used = time.perf_counter() - started, time.process_time() - cpu
    sent = requests // IN_FLIGHT * IN_FLIGHT
    return Sample(sent / seconds, used / sent * 1e6)


def signed_headers() -> dict[str, str]:
    """What the dispatcher sends, made once: signing is not the client's cost."""
    secret, timestamp = new_secret(), int(time.time())
    return {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "PaymentGateway-Webhooks/bench",
        "X-Webhook-Event": "payment.captured",
        "X-Webhook-Signature": sign_body(secret, BODY),
        "webhook-id": "evt_01JD0000000000000000000000",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign_standard(secret, webhook_id="evt_1", timestamp=timestamp, body=BODY),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured, after one that warms up")
    parser.add_argument("--requests", type=int, default=6_400, help="a round")
    options = parser.parse_args()
    missing = [name for name, module in OPTIONAL.items() if find_spec(module) is None]
    for name in missing:
        print(f"{name} is not installed and not measured")
    samples: dict[str, list[Sample]] = {name: [] for name in SENDERS if name not in missing}
    [port] = find_free_ports(1)
    with (
        tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder,
        running_process(["-m", "bench.webhook_sink", str(port)], port=port, log=Path(folder, "sink.log")),
    ):
        for number in range(options.rounds + 1):
            for name in samples if number % 2 else reversed(samples):
                sample = uvloop.run(run_round(SENDERS[name], f"http://127.0.0.1:{port}/hook", options.requests))
                samples[name].append(sample)
                print(f"round {number} {name:<20}{sample.per_second:>8.0f}/s {sample.cpu_us:>6.0f} us", flush=True)
    print_comparison(samples)
    return 0


def print_comparison(samples: dict[str, list[Sample]]) -> None:
    rates = {name: statistics.median(sample.per_second for sample in each[1:]) for name, each in samples.items()}
    costs = {name: statistics.median(sample.cpu_us for sample in each[1:]) for name, each in samples.items()}
    print(f"\n{'':<20}{'a second':>10}{'CPU us':>10}{f'of {YARDSTICK}':>12}")
    for name, rate in sorted(rates.items(), key=lambda item: item[1]):
        print(f"{name:<20}{rate:>10.0f}{costs[name]:>10.0f}{rate / rates[YARDSTICK]:>12.2f}")


if __name__ == "__main__":
    sys.exit(main())

"""Commits events at a steady rate, as the API does with a payment's: each a statement of its own, then a ring.

`python -m bench.webhook_events PLAN FILE` is the generator, a process of its own; it notes when each was committed.
"""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop
from bench.stack import ROOT, Servers
from bench.webhook_rows import payment_event

from gateway_common.db.database import Database
from gateway_common.events.store import insert_events
from gateway_common.queue.broker import DoorbellBroker
from gateway_common.queue.messages import PAYMENTS_STREAM, WEBHOOKS_STREAM
from gateway_common.queue.ringer import Ringer
from gateway_common.settings import normalize_database_url

PER_SECOND_MOST = 1_000
SECONDS_MOST = 300.0
START_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    database_url: str
    redis_url: str
    per_second: float
    seconds: float
    merchant_ids: list[str]
    """Whose events they are, in turn."""


@dataclass(frozen=True)
class Committed:
    event_id: str
    merchant_id: str
    at: float
    """By the clock that all processes of the machine share."""


def commit_events(servers: Servers, merchant_ids: list[str], *, per_second: float, seconds: float) -> list[Committed]:
    """Run the generator to its end."""
    plan = Plan(
        database_url=servers.database_url,
        redis_url=servers.redis_url,
        per_second=min(per_second, PER_SECOND_MOST),
        seconds=min(seconds, SECONDS_MOST),
        merchant_ids=merchant_ids,
    )
    output = servers.folder / "committed.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench.webhook_events", json.dumps(asdict(plan)), str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=plan.seconds + START_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"the generator failed:\n{done.stdout}{done.stderr}")
    return [Committed(*event) for event in json.loads(output.read_text())]


async def generate(plan: Plan) -> list[tuple[str, str, float]]:
    """Commit each event at its moment, whether the ones before are through or not."""
    database = Database(normalize_database_url(plan.database_url), application_name="bench-events", pool_size=10)
    payments, webhooks = (
        DoorbellBroker(plan.redis_url, stream=stream, consumer="bench-events")
        for stream in (PAYMENTS_STREAM, WEBHOOKS_STREAM)
    )
    ringer, stop = Ringer(payments, webhooks), asyncio.Event()
    ringing = asyncio.create_task(ringer.run(stop))
    committed: list[tuple[str, str, float]] = []

    async def commit(merchant_id: str) -> None:
        event = payment_event(merchant_id)
        async with database.statement() as connection:
            await insert_events(connection, [event])
        committed.append((event.id, merchant_id, time.time()))
        ringer.ring_webhooks()

    await database.check()
    started = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number in range(round(plan.per_second * plan.seconds)):
            await asyncio.sleep(started + number / plan.per_second - time.monotonic())
            tasks.create_task(commit(plan.merchant_ids[number % len(plan.merchant_ids)]))
    stop.set()
    await ringing
    for broker in (payments, webhooks):
        await broker.shutdown()
    await database.close()
    return committed


if __name__ == "__main__":
    committed = uvloop.run(generate(Plan(**json.loads(sys.argv[1]))))
    Path(sys.argv[2]).write_text(json.dumps(committed))

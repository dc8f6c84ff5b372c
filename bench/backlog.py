"""How is a great backlog worked off? `python -m bench.backlog` starts a processor before 100,000 pending payments.

First with an empty Redis, so that the sweeper finds them all; then with a ring for each in the stream, as the API
leaves them. The provider takes no time and the processor has 1,000 slots. What counts beside the rate: how many rings
were sent, how many were for nothing, how long the stream was. The exit status says whether every payment was done once
and no flood of rings came, not how fast it went.
"""

import argparse
import sys
import time
from dataclasses import dataclass

import redis
from bench.payment_rows import empty_tables, prove_payments, ring, store_payments
from bench.stack import Servers, cpu_seconds, running_servers
from bench.workers import ZERO_DELAY, Jobs, WorkerProcess, running_worker

from gateway_cli.local.postgres import OWNER, postgres_url
from gateway_common.queue.messages import GROUP, PAYMENTS_STREAM

SLOTS = "1000"
LINES = 10
LOOK_EVERY_SECONDS = 0.5
FOR_NOTHING_MOST = 0.05
"""More rings that find nothing to do than this share of the payments is a flood."""
SLOWEST_PER_SECOND = 200


@dataclass(frozen=True)
class Look:
    """The queue at one moment."""

    seconds: float
    jobs: Jobs
    lag: int

    def __str__(self) -> str:
        return (
            f"{self.seconds:>7.1f} s {self.jobs.done:>9} done {self.lag:>9} rings unread"
            f" {self.jobs.rings_sent:>9} rung {self.jobs.for_nothing:>7} for nothing"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--payments", type=int, default=100_000)
    options = parser.parse_args()
    problems: list[str] = []
    with running_servers() as servers:
        for is_rung in (False, True):
            problems += drain(servers, options.payments, is_rung=is_rung)
    for problem in problems:
        print(f"WRONG: {problem}")
    return 1 if problems else 0


def drain(servers: Servers, count: int, *, is_rung: bool) -> list[str]:
    """Start a processor before the backlog and look on until it is gone; what is wrong."""
    with redis.Redis.from_url(servers.redis_url) as client:
        client.flushall()
    payment_ids = store_payments(servers.database_url, count, rung=is_rung)
    if is_rung:
        ring(servers.redis_url, payment_ids)
    print(f"\n{count} pending payments, Redis {'full of their rings' if is_rung else 'empty'}", flush=True)
    cpu, postgres = 0.0, cpu_seconds(servers.postgres)
    with running_worker(servers, f"drain-{is_rung}", PROCESSOR_CONCURRENCY=SLOTS, **ZERO_DELAY) as worker:
        looks = _look_on(servers, worker, count)
        cpu, postgres = worker.cpu_seconds, cpu_seconds(servers.postgres) - postgres
    for look in looks[:: max(1, len(looks) // LINES)]:
        print(look)
    seconds, jobs = looks[-1].seconds, looks[-1].jobs
    print(
        f"drained in {seconds:.1f} s, {count / seconds:.0f} payments a second; {jobs.rings_sent} rings sent by the"
        f" sweeper, {jobs.for_nothing} for nothing ({jobs.for_nothing / count:.1%}), at most"
        f" {max(look.lag for look in looks)} rings unread; CPU us a payment: processor {cpu / count * 1e6:.0f}"
        f" postgresql {postgres / count * 1e6:.0f}"
    )
    problems = prove_payments(servers.database_url, count)
    if jobs.for_nothing > count * FOR_NOTHING_MOST:
        problems.append(f"a flood: {jobs.for_nothing} of {jobs.for_nothing + count} rings were for nothing")
    empty_tables(postgres_url(servers.postgres_port, role=OWNER))
    return problems


def _look_on(servers: Servers, worker: WorkerProcess, count: int) -> list[Look]:
    """From the moment the processor answers its probes."""
    looks: list[Look] = []
    started = time.monotonic()
    with redis.Redis.from_url(servers.redis_url) as client:
        while not looks or looks[-1].jobs.done < count:
            seconds = time.monotonic() - started
            looks.append(Look(seconds, worker.jobs(), _lag(client)))
            if seconds > 30 + count / SLOWEST_PER_SECOND:
                raise SystemExit(f"{looks[-1].jobs.done} of {count} done after {seconds:.0f} s")
            time.sleep(LOOK_EVERY_SECONDS)
    return looks


def _lag(client: redis.Redis) -> int:
    if not client.exists(PAYMENTS_STREAM):
        return 0
    lags = [group["lag"] for group in client.xinfo_groups(PAYMENTS_STREAM) if group["name"] == GROUP.encode()]
    return int(lags[0]) if lags and lags[0] is not None else int(client.xlen(PAYMENTS_STREAM))


if __name__ == "__main__":
    sys.exit(main())

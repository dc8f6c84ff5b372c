"""What thousands of payments that wait for a provider cost: `python -m bench.waiting_payments`, about three minutes.

The provider takes 5 to 10 seconds as in production. 2,000 payments arrive within five seconds and all wait at once in
one processor; then backlogs are worked off with 500, 1,000 and 2,000 slots, and one backlog by two processors. The exit
status says whether every payment was done once, not how fast it went.
"""

import argparse
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
from bench.payment_rows import empty_tables, prove_payments, ring, store_payments
from bench.stack import Servers, running_servers
from bench.workers import WorkerProcess, running_worker, wait_for_jobs

from gateway_cli.local.postgres import OWNER, postgres_url

STEPS_A_SECOND = 20
BACKLOG_PER_SLOT = 4
NOISE_SECONDS = 30.0
# A claim leaves due_at as it is, so while a payment waits both its due time and its claim's can be read.
LATENESS = """
SELECT count(*), percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM leased_at - due_at))
FROM payments WHERE worker_id IS NOT NULL
"""
# From when half of the first have ended, as many as would have in the long run, until the last was claimed.
STEADY = """
SELECT (count(*) / extract(epoch FROM until - since))::float8, extract(epoch FROM until - since)::float8
FROM (
    SELECT min(asked_at) + make_interval(secs => %s) AS since, max(asked_at) AS until FROM provider_answers
) AS steady, provider_answers
WHERE answered_at BETWEEN since AND until
GROUP BY since, until
"""


@dataclass(frozen=True)
class Delay:
    """How long the provider takes."""

    shortest_ms: int
    longest_ms: int

    @property
    def settings(self) -> dict[str, str]:
        return {
            "PROCESSING_DELAY_MIN_MS": str(self.shortest_ms),
            "PROCESSING_DELAY_MAX_MS": str(self.longest_ms),
        }

    @property
    def arrive_seconds(self) -> float:
        """Less than the shortest delay, so that in the end all wait at once."""
        return self.shortest_ms / 1000 * 0.9

    @property
    def mean_seconds(self) -> float:
        return (self.shortest_ms + self.longest_ms) / 2000

    @property
    def longest_seconds(self) -> float:
        return self.longest_ms / 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=2_000, help="payments that wait at once")
    parser.add_argument("--slots", type=int, nargs="*", default=[500, 1_000, 2_000], help="of each backlog's processor")
    parser.add_argument("--delay-ms", type=int, nargs=2, default=[5_000, 10_000], help="of the provider")
    options = parser.parse_args()
    delay, problems = Delay(*options.delay_ms), []
    with running_servers() as servers:
        problems += wait_all_at_once(servers, options.waiting, delay)
        for slots in options.slots:
            problems += work_off(servers, slots, delay)
        problems += share(servers, options.waiting, delay)
    for problem in problems:
        print(f"WRONG: {problem}")
    return 1 if problems else 0


def wait_all_at_once(servers: Servers, count: int, delay: Delay) -> list[str]:
    """All arrive, one step after another, and are rung for as the API does it; none ends before the last has come."""
    with running_worker(servers, "waiting", PROCESSOR_CONCURRENCY=str(count), **delay.settings) as worker:
        time.sleep(1)
        idle, cpu = worker.resident_megabytes, worker.cpu_seconds
        steps = round(delay.arrive_seconds * STEPS_A_SECOND)
        started = time.monotonic()
        for step in range(steps):
            arriving = count * (step + 1) // steps - count * step // steps
            ring(servers.redis_url, store_payments(servers.database_url, arriving, rung=True))
            time.sleep(max(0.0, started + (step + 1) / STEPS_A_SECOND - time.monotonic()))
        time.sleep(0.1)
        with psycopg.connect(servers.database_url) as connection:
            held, lateness = connection.execute(LATENESS).fetchone() or (0, (0, 0))
        resident = worker.resident_megabytes
        wait_for_jobs([worker], count, timeout_seconds=delay.longest_seconds + NOISE_SECONDS)
        used = worker.cpu_seconds - cpu
        print(
            f"{held} payments wait at once in one process: {resident:.0f} MB resident, {idle:.0f} MB idle,"
            f" {(resident - idle) * 1024 / count:.1f} kB a payment\n"
            f"due to claimed: p50 {lateness[0] * 1000:.0f} ms, p99 {lateness[1] * 1000:.0f} ms at"
            f" {count / delay.arrive_seconds:.0f} arrivals a second\n"
            f"CPU {used / count * 1e6:.0f} us a payment, {used / (time.monotonic() - started):.1%} of a core;"
            f" {worker.jobs().for_nothing} rings for nothing"
        )
    return _proved(servers, count)


def work_off(servers: Servers, slots: int, delay: Delay) -> list[str]:
    """A backlog of several times as many payments as there are slots."""
    count = slots * BACKLOG_PER_SLOT
    store_payments(servers.database_url, count, rung=False)
    limit = delay.mean_seconds * BACKLOG_PER_SLOT + delay.longest_seconds + NOISE_SECONDS
    with running_worker(servers, f"slots-{slots}", PROCESSOR_CONCURRENCY=str(slots), **delay.settings) as worker:
        cpu, started = worker.cpu_seconds, time.monotonic()
        wait_for_jobs([worker], count, timeout_seconds=limit)
        used, seconds = worker.cpu_seconds - cpu, time.monotonic() - started
        with psycopg.connect(servers.database_url) as connection:
            rate, over = connection.execute(STEADY, (delay.mean_seconds,)).fetchone() or (0, 0)
        bound = slots / delay.mean_seconds
        print(
            f"{slots} slots: {rate:.1f} payments a second over {over:.0f} s, {rate / bound:.2f} of slots / mean delay"
            f" ({bound:.1f}); {used / count * 1e6:.0f} us CPU a payment,"
            f" {used / seconds:.0%} of a core; {worker.jobs().for_nothing} rings for nothing",
            flush=True,
        )
    return _proved(servers, count)


def share(servers: Servers, slots: int, delay: Delay) -> list[str]:
    """Two processes with half of the slots each, and a backlog for both."""
    count = slots * 2
    with ExitStack() as stack:
        workers: list[WorkerProcess] = [
            stack.enter_context(
                running_worker(servers, f"half-{number}", PROCESSOR_CONCURRENCY=str(slots // 2), **delay.settings)
            )
            for number in range(2)
        ]
        # Not before both are there: the first would have taken more.
        store_payments(servers.database_url, count, rung=False)
        wait_for_jobs(workers, count, timeout_seconds=2 * delay.mean_seconds + delay.longest_seconds + NOISE_SECONDS)
        done = [worker.jobs().done for worker in workers]
        print(
            f"two processes shared {count}: {done[0]} and {done[1]} ({done[0] / count:.0%} and {done[1] / count:.0%})"
        )
    return _proved(servers, count)


def _proved(servers: Servers, count: int) -> list[str]:
    problems = prove_payments(servers.database_url, count)
    empty_tables(postgres_url(servers.postgres_port, role=OWNER))
    return problems


if __name__ == "__main__":
    sys.exit(main())

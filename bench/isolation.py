"""Does a merchant that never answers slow the others down? `python -m bench.isolation`, ten minutes.

100 events a second, half of them one merchant's. In every other round that one answers like the rest; in the others it
takes each webhook and stays silent, with 100,000 more of its deliveries due, and after 15 seconds its breaker opens.
What counts is how long after its commit the first byte of each of the other merchants' webhooks arrives. The exit
status says whether each of those was delivered by its first attempt, not how fast.
"""

import argparse
import statistics
import sys
import time
from dataclasses import dataclass

import psycopg
from bench.deliver_webhooks import latencies_ms
from bench.receivers import SILENT, Sink, running_sink
from bench.stack import Servers, cpu_seconds, running_servers
from bench.webhook_events import commit_events
from bench.webhook_rows import Endpoint, add_endpoints, count, execute, forget_deliveries, owner_url, store_events
from bench.workers import running_worker

DISPATCHER = ("-m", "gateway_webhook_dispatcher")
SETTINGS = {"WEBHOOK_ALLOW_PRIVATE_NETWORKS": "true"}
RATIO_MOST = 1.3
LONGER_MOST_MS = 20.0
WARM_UP_SECONDS = 2.0
# One failure is missing until its breaker opens: it has failed for long, though not often.
_FAILING = """
UPDATE webhook_endpoint_health
SET consecutive_failures = 9, failing_since = now() - interval '2 min', last_attempt_at = now() - interval '1 min'
WHERE endpoint_id = %s
"""
_SILENT_ONE = """
SELECT
    count(due_at), count(due_at) FILTER (WHERE lane = 1), max(consecutive_failures) - 9, max(health.trips)
FROM webhook_deliveries JOIN webhook_endpoint_health AS health USING (endpoint_id)
WHERE endpoint_id = %s
"""
_UNDELIVERED = """
SELECT count(*) FROM webhook_deliveries JOIN webhook_endpoints AS endpoint ON endpoint.id = endpoint_id
WHERE endpoint.url NOT LIKE '%/silent/%' AND (webhook_deliveries.status <> 'delivered' OR attempts <> 1)
"""


@dataclass(frozen=True)
class Sample:
    """Of one round, in milliseconds."""

    p50: float
    p99: float
    cpu: float
    postgres: float

    def __str__(self) -> str:
        return (
            f"p50 {self.p50:>6.1f} ms  p99 {self.p99:>6.1f} ms  of a core: dispatcher {self.cpu:.0%}"
            f" PostgreSQL {self.postgres:.0%}"
        )


@dataclass(frozen=True)
class Load:
    per_second: float
    seconds: float
    due: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--merchants", type=int, default=20, help="that answer")
    parser.add_argument("--per-second", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=40, help="a round")
    parser.add_argument("--due", type=int, default=100_000, help="deliveries of the silent one, beforehand")
    options = parser.parse_args()
    load = Load(options.per_second, options.seconds, options.due)
    problems: list[str] = []
    samples: dict[bool, list[Sample]] = {False: [], True: []}
    with running_servers() as servers, running_sink(servers, options.merchants + 1) as sink:
        *others, noisy = add_endpoints(servers, options.merchants + 1, sink.url)
        for number in range(options.rounds):
            for silent in (False, True) if number % 2 else (True, False):
                _prepare(servers, sink, noisy, load.due if silent else 0)
                sample = run_round(servers, sink, load, others=others, noisy=noisy)
                samples[silent].append(sample)
                print(f"round {number} {'one silent' if silent else 'all answer':<12}{sample}", flush=True)
                if silent:
                    _tell_of(servers, noisy)
                if undelivered := count(servers, _UNDELIVERED):
                    problems.append(f"{undelivered} deliveries to merchants that answer failed, or went out twice")
    print_comparison(samples)
    for problem in problems:
        print(f"WRONG: {problem}")
    return 1 if problems else 0


def _prepare(servers: Servers, sink: Sink, noisy: Endpoint, due: int) -> None:
    """A database without deliveries, but for the backlog of the one that is silent from now on."""
    number = sink.hosts - 1
    forget_deliveries(servers)
    with psycopg.connect(owner_url(servers)) as connection:
        url = sink.url(number, SILENT if due else "/hook")
        connection.execute("UPDATE webhook_endpoints SET url = %s WHERE id = %s", (url, noisy.id))
        if due:
            connection.execute(_FAILING, (noisy.id,))
    if due:
        store_events(servers, [noisy], due)
    execute(servers, "VACUUM (ANALYZE) webhook_deliveries", "VACUUM (ANALYZE) events", "CHECKPOINT")


def run_round(servers: Servers, sink: Sink, load: Load, *, others: list[Endpoint], noisy: Endpoint) -> Sample:
    """Every second event is the noisy one's; the other merchants' are measured."""
    turns = [merchant_id for endpoint in others for merchant_id in (endpoint.merchant_id, noisy.merchant_id)]
    with running_worker(servers, "dispatcher", DISPATCHER, **SETTINGS) as dispatcher:
        time.sleep(WARM_UP_SECONDS)
        cpu, postgres = dispatcher.cpu_seconds, cpu_seconds(servers.postgres)
        committed = commit_events(servers, turns, per_second=load.per_second, seconds=load.seconds)
        time.sleep(1)
        cpu, postgres = dispatcher.cpu_seconds - cpu, cpu_seconds(servers.postgres) - postgres
        # What has no answer yet is of no interest, and it would be waited for.
        dispatcher.process.kill()
    measured = [event for event in committed if event.merchant_id != noisy.merchant_id]
    late = latencies_ms(measured, sink.take())
    return Sample(late[len(late) // 2], late[int(len(late) * 0.99)], cpu / load.seconds, postgres / load.seconds)


def _tell_of(servers: Servers, noisy: Endpoint) -> None:
    with psycopg.connect(owner_url(servers)) as connection:
        [(waiting, deferred, failures, trips)] = connection.execute(_SILENT_ONE, (noisy.id,)).fetchall()
    print(
        f"  the silent one: {failures} attempts in vain, its breaker opened {trips} times, {waiting} deliveries wait,"
        f" {deferred} of them out of the way"
    )


def print_comparison(samples: dict[bool, list[Sample]]) -> None:
    p50, p99 = ({silent: statistics.median(map(of, each)) for silent, each in samples.items()} for of in _FIGURES)
    pairs = list(zip(samples[False], samples[True], strict=True))
    ratio = statistics.median(silent.p99 / plain.p99 for plain, silent in pairs)
    longer = statistics.median(silent.p99 - plain.p99 for plain, silent in pairs)
    verdict = "met" if ratio <= RATIO_MOST or longer <= LONGER_MOST_MS else "missed"
    print(
        f"\nother merchants' first attempts, commit to first byte, medians of {len(pairs)}: p50 {p50[False]:.1f} ms,"
        f" beside the silent one {p50[True]:.1f} ms; p99 {p99[False]:.1f} ms, beside it {p99[True]:.1f} ms\n"
        f"ratio of p99 {ratio:.2f}, {longer:+.1f} ms (target {RATIO_MOST} or {LONGER_MOST_MS:+.0f} ms: {verdict})"
    )


_FIGURES = (lambda sample: sample.p50, lambda sample: sample.p99)


if __name__ == "__main__":
    sys.exit(main())

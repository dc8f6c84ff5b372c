"""Ten thousand exhausted deliveries replayed at the endpoint's limit: `python -m bench.replay_webhooks`, half a minute.

The replay is asked for as the API does it, its progress is read as the API shows it, and the rate is measured where the
webhooks arrive. The exit status says whether each was sent once and the limit held.
"""

import argparse
import sys
import time
from collections import Counter
from datetime import timedelta

from bench.receivers import Arrival, Sink, running_sink
from bench.stack import Servers, running_servers
from bench.webhook_rows import Endpoint, add_endpoints, count, execute, store_events, with_database
from bench.workers import running_worker

from gateway_common.clock import system_clock
from gateway_common.db.database import Database
from gateway_common.webhooks.replay import ReplaySource, ReplayStatus, ReplayWhich, WebhookReplay
from gateway_common.webhooks.replay_store import get_replay, insert_replay

DISPATCHER = ("-m", "gateway_webhook_dispatcher")
SETTINGS = {"WEBHOOK_ALLOW_PRIVATE_NETWORKS": "true"}
SAMPLE_EVERY_SECONDS = 0.5
LINES = 12
BURST_SECONDS = 0.1
"""What a rate allows in one sleep of the dispatcher may be sent at once after it."""
TRAVEL_SECONDS = 0.2
"""A claimed delivery may take so long to arrive, on a busy machine, while those behind it are quicker."""
WINDOWS_SECONDS = (1.0, 5.0)
# As the last failure of the schedule leaves a delivery.
_EXHAUST = """
UPDATE webhook_deliveries SET
    status = 'failed', attempts = 5, lane = 1, due_at = NULL, last_response_status = 503, last_error = 'answered 503'
"""
_UNDELIVERED = "SELECT count(*) FROM webhook_deliveries WHERE status <> 'delivered' OR attempts <> 6"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deliveries", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=500, help="the endpoint's limit a second")
    parser.add_argument("--in-flight", type=int, default=16, help="the endpoint's limit at once")
    options = parser.parse_args()
    with running_servers() as servers, running_sink(servers, 1) as sink:
        limits = {"rate_limit_per_second": options.rate, "max_in_flight": options.in_flight}
        [endpoint] = add_endpoints(servers, 1, sink.url, **limits)
        store_events(servers, [endpoint], options.deliveries)
        execute(servers, _EXHAUST, "VACUUM (ANALYZE) webhook_deliveries")
        with running_worker(servers, "dispatcher", DISPATCHER, **SETTINGS):
            replay(servers, sink, endpoint, limit_seconds=30 + 3 * options.deliveries / options.rate)
        problems = prove_replay(servers, sink.take(), options.deliveries, options.rate)
    for problem in problems:
        print(f"WRONG: {problem}")
    return 1 if problems else 0


def replay(servers: Servers, sink: Sink, endpoint: Endpoint, *, limit_seconds: float) -> None:
    """Ask for it, and look on until all are sent."""
    replay_id = with_database(servers, lambda database: _ask(database, endpoint))
    samples: list[tuple[float, WebhookReplay, int]] = []
    started = time.monotonic()
    while not samples or samples[-1][1].status is not ReplayStatus.DONE or samples[-1][1].waiting:
        seconds = time.monotonic() - started
        if seconds > limit_seconds:
            raise SystemExit(f"not done after {seconds:.0f} s: {samples[-1][1]}")
        shown = with_database(servers, lambda database: _look(database, endpoint, replay_id))
        samples.append((seconds, shown, sink.count()))
        time.sleep(SAMPLE_EVERY_SECONDS)
    for seconds, shown, arrived in [*samples[: -1 : max(1, len(samples) // LINES)], samples[-1]]:
        print(
            f"{seconds:>6.1f} s  {shown.status:<8} total {shown.total} queued {shown.queued}"
            f" waiting {shown.waiting}, arrived {arrived}"
        )


async def _ask(database: Database, endpoint: Endpoint) -> str:
    now = system_clock()
    async with database.statement() as connection:
        return await insert_replay(
            connection,
            endpoint.id,
            source=ReplaySource.MERCHANT,
            which=ReplayWhich.FAILED,
            created_from=now - timedelta(hours=1),
            created_to=now,
            now=now,
        )


async def _look(database: Database, endpoint: Endpoint, replay_id: str) -> WebhookReplay:
    async with database.statement() as connection:
        return await get_replay(connection, replay_id, merchant_id=endpoint.merchant_id, livemode=False)


def prove_replay(servers: Servers, arrivals: list[Arrival], expected: int, rate: int) -> list[str]:
    """What is wrong with what came."""
    times = sorted(arrival.at for arrival in arrivals)
    seconds = times[-1] - times[0]
    print(f"\n{len(times)} webhooks in {seconds:.1f} s, {len(times) / seconds:.1f} a second, limit {rate}", end="")
    problems = []
    for window in WINDOWS_SECONDS:
        most = most_within(times, window)
        print(f"; at most {most} within any {window:g} s", end="")
        if most > rate * (window + BURST_SECONDS + TRAVEL_SECONDS) + 1:
            problems.append(f"{most} webhooks within {window:g} s, at a limit of {rate} a second")
    print()
    if Counter(Counter(arrival.delivery_id for arrival in arrivals).values()) != {1: expected}:
        problems.append(f"{len(arrivals)} webhooks came for {expected} deliveries")
    if undelivered := count(servers, _UNDELIVERED):
        problems.append(f"{undelivered} deliveries are not delivered, or not by their sixth attempt")
    return problems


def most_within(times: list[float], window_seconds: float) -> int:
    """The largest number of these sorted moments in any span of so many seconds."""
    most = first = 0
    for index, moment in enumerate(times):
        while moment - times[first] > window_seconds:
            first += 1
        most = max(most, index - first + 1)
    return most


if __name__ == "__main__":
    sys.exit(main())

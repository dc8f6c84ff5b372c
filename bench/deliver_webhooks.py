"""How dear is a delivered webhook? `python -m bench.deliver_webhooks` drives a real dispatcher and bare loops in turn.

The yardsticks are loops of aiohttp and of httpx that post the same bodies and headers to the same sink and do nothing
else. A round is a backlog of events for a hundred endpoints, each on a host of its own, in PostgreSQL with full
durability. Then events come at a steady rate, and what counts is how long after its commit the first byte of each
webhook arrives. The exit status says whether each event was delivered once, not how fast it went.
"""

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.bare_posts import BareLoop, Request, running_loop, write_requests
from bench.profiling import START_SIGNAL, print_profile, profiled
from bench.receivers import Arrival, Sink, running_sink
from bench.stack import MASTER_KEY, Servers, cpu_seconds, running_servers
from bench.statements import LOOK, UPKEEP, counted
from bench.webhook_events import Committed, commit_events
from bench.webhook_rows import Endpoint, count, execute, payment_event, prove_deliveries, ring, store_events
from bench.webhook_rows import add_endpoints as add
from bench.workers import WorkerProcess, running_worker

from gateway_common.crypto import Keyring
from gateway_common.webhooks.model import ClaimedDelivery, seal_context
from gateway_webhook_dispatcher.request import sign_request

DISPATCHER = ("-m", "gateway_webhook_dispatcher")
SETTINGS = {"WEBHOOK_ALLOW_PRIVATE_NETWORKS": "true"}
SHARE_LEAST = 0.15
STATEMENTS_MOST = 3.0
BARE = ("aiohttp", "httpx")
BARE_A_DELIVERY = {"aiohttp": 4.0, "httpx": 0.25}
"""A bare round has so many times as many posts, so that all last about as long."""
BARE_REQUESTS = 2_000
ALONE = 30
TIMEOUT_SECONDS = 120.0
UNDER_WAY = "SELECT count(*) FROM webhook_deliveries WHERE worker_id IS NOT NULL"


@dataclass(frozen=True)
class Sample:
    """What came of a round; CPU in microseconds a delivery."""

    deliveries: int
    seconds: float
    sender_us: float
    postgres_us: float
    sink_us: float

    @property
    def per_second(self) -> float:
        return self.deliveries / self.seconds

    def __str__(self) -> str:
        return (
            f"{self.per_second:>8.0f}/s  CPU us: sender {self.sender_us:.0f} postgresql {self.postgres_us:.0f}"
            f" sink {self.sink_us:.0f}"
        )


FIGURES: dict[str, Callable[[Sample], float]] = {
    "deliveries a second": lambda sample: sample.per_second,
    "sender's CPU, us a delivery": lambda sample: sample.sender_us,
    "PostgreSQL CPU, us a delivery": lambda sample: sample.postgres_us,
    "sink's CPU, us a delivery": lambda sample: sample.sink_us,
}


@dataclass(frozen=True)
class Setting:
    """All that a round needs."""

    servers: Servers
    sink: Sink
    endpoints: Sequence[Endpoint]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, after one that warms up")
    parser.add_argument("--events", type=int, default=3_000, help="a round")
    parser.add_argument("--endpoints", type=int, default=100)
    parser.add_argument("--hosts", type=int, default=100, help="over which the endpoints are spread")
    parser.add_argument("--per-second", type=float, default=200, help="the steady rate")
    parser.add_argument("--seconds", type=float, default=10, help="how long that lasts")
    parser.add_argument("--profile", action="store_true", help="also say where the time goes")
    options = parser.parse_args()
    with running_servers() as servers, running_sink(servers, options.hosts) as sink:
        setting = Setting(servers, sink, add(servers, options.endpoints, sink.url))
        with running_worker(servers, "dispatcher", DISPATCHER, **SETTINGS) as dispatcher:
            samples = compare(setting, dispatcher, options.rounds, options.events)
            stored = steady(setting, dispatcher, options.per_second, options.seconds)
        stored += (options.rounds + 1) * options.events
        print_comparison(samples)
        most = count_statements(setting, options.events)
        stored += ALONE + options.events
        if options.profile:
            profile(setting, options.events)
            stored += 2 * options.events
        problems = prove_deliveries(servers, stored)
    for problem in problems:
        print(f"WRONG: {problem}")
    return 1 if problems or most > STATEMENTS_MOST else 0


def compare(setting: Setting, dispatcher: WorkerProcess, rounds: int, events: int) -> dict[str, list[Sample]]:
    path = write_requests(setting.servers.folder / "requests.json", list(_bare_requests(setting)))
    samples: dict[str, list[Sample]] = {"dispatcher": [], **{kind: [] for kind in BARE}}
    with ExitStack() as stack:
        loops = {kind: stack.enter_context(running_loop(kind, path)) for kind in BARE}
        for number in range(rounds + 1):
            for name in samples if number % 2 else reversed(samples):
                if name == "dispatcher":
                    sample = deliver(setting, dispatcher, events)
                else:
                    sample = post(setting, loops[name], round(events * BARE_A_DELIVERY[name]))
                samples[name].append(sample)
                print(f"round {number} {name:<11}{sample}", flush=True)
            # As autovacuum would have done by the time a table is as full as in production.
            execute(setting.servers, "ANALYZE webhook_deliveries", "ANALYZE events", "ANALYZE webhook_attempts")
    return samples


def _bare_requests(setting: Setting) -> Iterator[Request]:
    """What the dispatcher would send for events of these endpoints, signatures and all."""
    keyring = Keyring(MASTER_KEY)
    for number in range(BARE_REQUESTS):
        endpoint = setting.endpoints[number % len(setting.endpoints)]
        event = payment_event(endpoint.merchant_id)
        delivery = ClaimedDelivery(
            id="dlv_" + event.id.removeprefix("evt_"),
            claim=1,
            attempts=0,
            event_id=event.id,
            event_type=event.type,
            body=event.body,
            traceparent=None,
            endpoint_id=endpoint.id,
            url=setting.sink.url(number % len(setting.endpoints)),
            sealed_secret=keyring.seal(endpoint.secret.encode(), context=seal_context(endpoint.id)),
        )
        yield delivery.url, sign_request(delivery, keyring, timestamp=int(time.time())).headers, event.body


def deliver(setting: Setting, dispatcher: WorkerProcess, events: int) -> Sample:
    """Time from the moment a backlog is there until all of it has been delivered, and recorded as such."""

    def used() -> tuple[float, float, float]:
        return dispatcher.cpu_seconds, cpu_seconds(setting.servers.postgres), setting.sink.cpu_seconds

    expected = Counter(event.id for event in store_events(setting.servers, setting.endpoints, events))
    before, started = used(), time.monotonic()
    ring(setting.servers)
    setting.sink.wait_for(events, timeout_seconds=TIMEOUT_SECONDS)
    while count(setting.servers, UNDER_WAY):
        time.sleep(0.02)
    seconds = time.monotonic() - started
    sample = Sample(events, seconds, *((now - was) / events * 1e6 for was, now in zip(before, used(), strict=True)))
    if Counter(arrival.event_id for arrival in setting.sink.take()) != expected:
        raise SystemExit("what the sink got is not what was stored")
    return sample


def post(setting: Setting, loop: BareLoop, number: int) -> Sample:
    before = setting.sink.cpu_seconds
    posted = loop.post(number)
    sink_us = (setting.sink.cpu_seconds - before) / number * 1e6
    if len(setting.sink.take()) != number:
        raise SystemExit(f"the sink did not get the {number} bare posts")
    return Sample(number, posted.seconds, posted.cpu_seconds / number * 1e6, 0.0, sink_us)


def steady(setting: Setting, dispatcher: WorkerProcess, per_second: float, seconds: float) -> int:
    """Events one by one, at a rate that leaves the machine time; how many there were."""
    merchant_ids = [endpoint.merchant_id for endpoint in setting.endpoints]
    cpu, postgres, started = dispatcher.cpu_seconds, cpu_seconds(setting.servers.postgres), time.monotonic()
    committed = commit_events(setting.servers, merchant_ids, per_second=per_second, seconds=seconds)
    setting.sink.wait_for(len(committed), timeout_seconds=TIMEOUT_SECONDS)
    passed = time.monotonic() - started
    cpu, postgres = dispatcher.cpu_seconds - cpu, cpu_seconds(setting.servers.postgres) - postgres
    late = latencies_ms(committed, setting.sink.take())
    print(
        f"\n{per_second:g} events a second for {seconds:g} s: commit to first byte p50 {late[len(late) // 2]:.1f} ms,"
        f" p99 {late[int(len(late) * 0.99)]:.1f} ms, longest {late[-1]:.1f} ms; of a core: dispatcher"
        f" {cpu / passed:.0%}, PostgreSQL {postgres / passed:.0%}, committing included"
    )
    return len(committed)


def latencies_ms(committed: Sequence[Committed], arrivals: Sequence[Arrival]) -> list[float]:
    """From each commit to the first byte of its first webhook, shortest first; what never arrived is endless."""
    came: dict[str, float] = {}
    for arrival in arrivals:
        came.setdefault(arrival.event_id, arrival.at)
    return sorted((came.get(event.event_id, float("inf")) - event.at) * 1000 for event in committed)


def print_comparison(samples: dict[str, list[Sample]]) -> None:
    """The medians, and what a delivery costs in bare posts."""
    print(f"\n{'':<32}" + "".join(f"{name:>14}" for name in ("dispatcher", *(f"bare {kind}" for kind in BARE))))
    medians = {
        label: {name: statistics.median(map(of, each[1:])) for name, each in samples.items()}
        for label, of in FIGURES.items()
    }
    for label, of in medians.items():
        print(f"{label:<32}" + "".join(f"{of[name]:>14.1f}" for name in samples))
    rate, cpu = medians["deliveries a second"], medians["sender's CPU, us a delivery"]
    ours = rate["dispatcher"]
    shares = [f"{ours / rate[kind]:.2f} of bare {kind}, {cpu[kind] / cpu['dispatcher']:.2f} by CPU" for kind in BARE]
    verdict = "met" if ours / rate["aiohttp"] >= SHARE_LEAST else "missed"
    print(f"\nratio {'; '.join(shares)} (target {SHARE_LEAST} of bare aiohttp: {verdict})")


def count_statements(setting: Setting, events: int) -> float:
    """How many statements a delivery takes, alone and in a crowd; the most that it needed."""
    print(f"\n{'SQL statements a delivery':<32}{'alone':>12}{f'of {events}':>12}")
    alone = _statements(setting, "alone", ALONE, one_by_one=True)
    crowd = _statements(setting, "crowd", events, one_by_one=False)
    for kind in sorted(alone | crowd, key=lambda kind: (kind in {LOOK, UPKEEP}, kind)):
        print(f"{kind:<32}{alone.get(kind, 0):>12.2f}{crowd.get(kind, 0):>12.2f}")
    # The looks and loops of an idle dispatcher come by time, not by delivery; a crowd pays for all of its own.
    most = [sum(each for kind, each in alone.items() if kind not in {LOOK, UPKEEP}), sum(crowd.values())]
    verdict = "met" if max(most) <= STATEMENTS_MOST else "missed"
    print(
        f"{'in all, alone without the last 2':<32}{most[0]:>12.2f}{most[1]:>12.2f}"
        f"  (target {STATEMENTS_MOST:.0f}: {verdict})"
    )
    return max(most)


def _statements(setting: Setting, name: str, events: int, *, one_by_one: bool) -> dict[str, float]:
    output = setting.servers.folder / f"{name}.json"
    with _counting_dispatcher(setting.servers, name, counted("gateway_webhook_dispatcher", output)) as dispatcher:
        for _ in range(events if one_by_one else 1):
            deliver(setting, dispatcher, 1 if one_by_one else events)
    # An event is written in the statement of the change it tells of.
    return {"event": 1.0} | {kind: counted / events for kind, counted in json.loads(output.read_text()).items()}


@contextmanager
def _counting_dispatcher(servers: Servers, name: str, command: list[str]) -> Iterator[WorkerProcess]:
    """A dispatcher that counts from its first delivery on, not from its start."""
    with running_worker(servers, name, command, **SETTINGS) as dispatcher:
        time.sleep(1)
        dispatcher.process.send_signal(START_SIGNAL)
        yield dispatcher


def profile(setting: Setting, events: int) -> None:
    """One more run with the dispatcher under the sampler."""
    output = setting.servers.folder / "dispatcher.prof"
    command = profiled("gateway_webhook_dispatcher", output)
    with running_worker(setting.servers, "profiled", command, **SETTINGS) as dispatcher:
        deliver(setting, dispatcher, events)
        dispatcher.process.send_signal(START_SIGNAL)
        sample = deliver(setting, dispatcher, events)
    print_profile(output, sample.sender_us, "the dispatcher's {us:.0f} us a delivery")


if __name__ == "__main__":
    sys.exit(main())

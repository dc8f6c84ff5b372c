"""How dear is a processed payment? `python -m bench.process_payments` drives a real processor and no-op jobs in turn.

The yardstick is Taskiq's receiver on our broker with a job that does nothing; the stock stream broker is shown for the
reader's interest. All hear rings that one pipeline sends, from the same Redis. A round is a backlog: the payments lie
in PostgreSQL (full durability), then they are rung for, and the provider takes no time. The exit status says whether
every payment was done once, not how fast it went.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench import noop_jobs
from bench.payment_rows import prove_payments, ring, store_payments
from bench.profiling import START_SIGNAL, print_profile, profiled
from bench.stack import Servers, cpu_seconds, running_servers
from bench.statements import SIMULATOR, UPKEEP, counted
from bench.workers import ZERO_DELAY, WorkerProcess, running_worker, wait_for_jobs

STATEMENTS_MOST = 3.0
NOOPS_A_PAYMENT = 6
"""A no-op round has so many more jobs, so that both last about as long."""
ALONE = 30
TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class Sample:
    """What came of a round; CPU in microseconds a job."""

    jobs: int
    seconds: float
    worker_us: float
    postgres_us: float
    valkey_us: float

    @property
    def per_second(self) -> float:
        return self.jobs / self.seconds

    def __str__(self) -> str:
        return (
            f"{self.per_second:>8.0f}/s  CPU us: worker {self.worker_us:.0f} postgresql {self.postgres_us:.0f}"
            f" valkey {self.valkey_us:.0f}"
        )


FIGURES: dict[str, Callable[[Sample], float]] = {
    "jobs a second": lambda sample: sample.per_second,
    "worker CPU, us a job": lambda sample: sample.worker_us,
    "PostgreSQL CPU, us a job": lambda sample: sample.postgres_us,
    "Valkey CPU, us a job": lambda sample: sample.valkey_us,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured, after one that warms up")
    parser.add_argument("--payments", type=int, default=3_000, help="a round")
    parser.add_argument("--profile", action="store_true", help="also say where the time goes")
    options = parser.parse_args()
    with running_servers() as servers:
        samples = compare(servers, options.rounds, options.payments)
        print_comparison(samples)
        most = count_statements(servers, options.payments)
        stored = sum(sample.jobs for sample in samples["payments"]) + ALONE + options.payments
        if options.profile:
            profile(servers, options.payments)
            stored += 2 * options.payments
        problems = prove_payments(servers.database_url, stored)
    for problem in problems:
        print(f"WRONG: {problem}")
    return 1 if problems or most > STATEMENTS_MOST else 0


def compare(servers: Servers, rounds: int, payments: int) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {"payments": [], "doorbell": [], "stock": []}
    with ExitStack() as stack:
        workers = {"payments": stack.enter_context(running_worker(servers, "processor", **ZERO_DELAY))}
        for kind in noop_jobs.STREAMS:
            command = ("-m", "bench.noop_jobs", kind, "{url}", "{port}")
            workers[kind] = stack.enter_context(running_worker(servers, kind, command))
        for number in range(rounds + 1):
            for name in samples if number % 2 else reversed(samples):
                if name == "payments":
                    sample = run_payments(servers, workers[name], payments)
                else:
                    sample = run_noops(servers, workers[name], name, payments * NOOPS_A_PAYMENT)
                samples[name].append(sample)
                print(f"round {number} {name:<9}{sample}", flush=True)
    return samples


def run_payments(servers: Servers, worker: WorkerProcess, count: int) -> Sample:
    payment_ids = store_payments(servers.database_url, count, rung=True)
    return _measure(servers, worker, count, lambda: ring(servers.redis_url, payment_ids))


def run_noops(servers: Servers, worker: WorkerProcess, kind: str, count: int) -> Sample:
    names = [f"pay_{number:026}" for number in range(count)]
    rings = lambda: ring(servers.redis_url, names, stream=noop_jobs.STREAMS[kind], task=noop_jobs.TASK)  # noqa: E731
    return _measure(servers, worker, count, rings)


def _measure(servers: Servers, worker: WorkerProcess, count: int, rings: Callable[[], None]) -> Sample:
    def used() -> tuple[float, float, float]:
        return worker.cpu_seconds, cpu_seconds(servers.postgres), cpu_seconds(servers.valkey)

    done, before, started = worker.jobs().done, used(), time.monotonic()
    rings()
    wait_for_jobs([worker], done + count, timeout_seconds=TIMEOUT_SECONDS)
    seconds = time.monotonic() - started
    return Sample(count, seconds, *((after - was) / count * 1e6 for was, after in zip(before, used(), strict=True)))


def print_comparison(samples: dict[str, list[Sample]]) -> None:
    """The medians, and what a payment costs in no-op jobs."""
    print(f"\n{'':<28}{'payments':>12}{'no-op jobs':>12}{'stock broker':>14}")
    medians = {
        label: {name: statistics.median(map(of, each[1:])) for name, each in samples.items()}
        for label, of in FIGURES.items()
    }
    for label, of in medians.items():
        print(f"{label:<28}{of['payments']:>12.1f}{of['doorbell']:>12.1f}{of['stock']:>14.1f}")
    rate, cpu = medians["jobs a second"], medians["worker CPU, us a job"]
    print(
        f"\nratio {rate['payments'] / rate['doorbell']:.2f} of no-op jobs on our broker,"
        f" {cpu['doorbell'] / cpu['payments']:.2f} by worker CPU;"
        f" our broker {rate['doorbell'] / rate['stock']:.2f} of the stock one"
    )


def count_statements(servers: Servers, payments: int) -> float:
    """How many statements a payment takes, alone and in a crowd; the most that the gateway itself needed."""
    print(f"\n{'SQL statements a payment':<28}{'alone':>12}{f'of {payments}':>12}")
    alone = _statements(servers, "alone", ALONE, one_by_one=True)
    crowd = _statements(servers, "crowd", payments, one_by_one=False)
    for kind in sorted(alone | crowd, key=lambda kind: (kind in {SIMULATOR, UPKEEP}, kind)):
        print(f"{kind:<28}{alone.get(kind, 0):>12.2f}{crowd.get(kind, 0):>12.2f}")
    ours = [sum(count for kind, count in each.items() if kind not in {SIMULATOR, UPKEEP}) for each in (alone, crowd)]
    verdict = "met" if max(ours) <= STATEMENTS_MOST else "missed"
    print(f"{'of the gateway':<28}{ours[0]:>12.2f}{ours[1]:>12.2f}  (target {STATEMENTS_MOST:.0f}: {verdict})")
    return max(ours)


def _statements(servers: Servers, name: str, payments: int, *, one_by_one: bool) -> dict[str, float]:
    output = servers.folder / f"{name}.json"
    with _counting_worker(servers, name, counted("gateway_processor", output)) as worker:
        for _ in range(payments if one_by_one else 1):
            run_payments(servers, worker, 1 if one_by_one else payments)
    return {kind: count / payments for kind, count in json.loads(output.read_text()).items()}


@contextmanager
def _counting_worker(servers: Servers, name: str, command: list[str]) -> Iterator[WorkerProcess]:
    """A processor that counts from its first job on, not from its start."""
    with running_worker(servers, name, command, **ZERO_DELAY) as worker:
        time.sleep(1)
        worker.process.send_signal(START_SIGNAL)
        yield worker


def profile(servers: Servers, payments: int) -> None:
    """One more run with the processor under the sampler."""
    output = servers.folder / "processor.prof"
    with running_worker(servers, "profiled", profiled("gateway_processor", output), **ZERO_DELAY) as worker:
        run_payments(servers, worker, payments)
        worker.process.send_signal(START_SIGNAL)
        sample = run_payments(servers, worker, payments)
    print_profile(output, sample.worker_us, "the processor's {us:.0f} us a payment")


if __name__ == "__main__":
    sys.exit(main())

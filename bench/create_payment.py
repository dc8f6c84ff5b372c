"""How dear is a created payment? `python -m bench.create_payment` drives the real API and the bare route in turn.

The yardstick is a FastAPI route with the same models and no work behind it (bench/yardstick.py); the API stands on
PostgreSQL with full durability and on Valkey. What counts is the ratio of both in one run: machines differ, it holds.
Every 201 is then looked up as rows. The exit status says whether all were there, not how fast it went.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from contextlib import ExitStack

import psutil  # type: ignore[import-untyped]
from bench.evidence import missing_rows
from bench.load import Target
from bench.profiling import START_SIGNAL, print_profile, profiled
from bench.raw_insert import print_raw_inserts
from bench.rounds import Sample, run_round
from bench.stack import Servers, running_process, running_servers

from gateway_cli.local.ports import find_free_ports

TARGET_RATIO = 0.30
ROUNDS_MAX = 50
STRANGERS_MAX = 0.1
WARM_UP_SECONDS = 1.0
BODY = '{"amount":50000,"currency":"INR","method":"upi","order_id":"ord_bench","vpa":"test@upi"}'
PATH = "/api/v1/payments"
RATE, SERVER_CPU = "requests a second", "server CPU, us a request"
FIGURES: dict[str, Callable[[Sample], float]] = {
    RATE: lambda sample: sample.result.per_second,
    SERVER_CPU: lambda sample: sample.cpu_us["server"],
    "latency p50, ms": lambda sample: sample.result.latency_p50_ms,
    "latency p99, ms": lambda sample: sample.result.latency_p99_ms,
    "PostgreSQL CPU, us a request": lambda sample: sample.cpu_us.get("postgresql", 0.0),
    "Valkey CPU, us a request": lambda sample: sample.cpu_us.get("valkey", 0.0),
    "load generator, us a request": lambda sample: sample.cpu_us["client"],
}
HEADERS = {"X-Api-Key": "key_test_abc123", "X-Api-Secret": "secret_test_xyz789"}


def main() -> int:
    options = parse_options()
    with running_servers() as servers:
        samples = compare(servers, options)
        print_comparison(samples["bare"][1:], samples["api"][1:])
        created = created_by(samples["api"])
        if options.profile:
            created += profile(servers, options)
        problems = missing_rows(servers, created)
        if options.profile:
            print_raw_inserts(servers, options.seconds)
        refused = [sample.result for sample in samples["api"] + samples["bare"] if not sample.is_clean]
    for problem in [*problems, *refused]:
        print(f"WRONG: {problem}")
    return 1 if problems or refused else 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each of the two is measured")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long a round lasts")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--profile", action="store_true", help="also say where the time goes")
    options = parser.parse_args()
    options.rounds = min(options.rounds, ROUNDS_MAX)
    return options


def compare(servers: Servers, options: argparse.Namespace) -> dict[str, list[Sample]]:
    """Drive both in turn, each first in every other round; a short run before all that warms them up uncounted."""
    api_port, metrics_port, bare_port = find_free_ports(3)
    samples: dict[str, list[Sample]] = {"bare": [], "api": []}
    with ExitStack() as stack:
        api = stack.enter_context(
            running_process(
                ["-m", "gateway_api"],
                port=api_port,
                log=servers.folder / "api.log",
                environment=servers.environment(api_port, metrics_port),
            )
        )
        bare = stack.enter_context(
            running_process(["-m", "bench.yardstick", str(bare_port)], port=bare_port, log=servers.folder / "bare.log")
        )
        watched: dict[str, dict[str, psutil.Process]] = {
            "bare": {"server": bare},
            "api": {"server": api, "postgresql": servers.postgres, "valkey": servers.valkey},
        }
        ports = {"bare": bare_port, "api": api_port}
        for number in range(options.rounds + 1):
            for name in ("bare", "api") if number % 2 else ("api", "bare"):
                target = create_target(ports[name], f"{name}-{number}")
                seconds = options.seconds if number else min(WARM_UP_SECONDS, options.seconds)
                sample = run_round(target, watched[name], connections=options.connections, seconds=seconds)
                samples[name].append(sample)
                print(f"round {number} {name:<5}{sample}", flush=True)
    return samples


def create_target(port: int, run: str) -> Target:
    return Target(port=port, path=PATH, body=BODY, headers=HEADERS, key_prefix=f"bench-{run}-")


def print_comparison(bare: list[Sample], api: list[Sample]) -> None:
    """The medians of both and their ratio."""
    print(f"\n{'':<30}{'bare route':>14}{'POST /payments':>16}")
    for label, of in FIGURES.items():
        print(f"{label:<30}{_median(of, bare):>14.1f}{_median(of, api):>16.1f}")
    rate = _median(FIGURES[RATE], api) / _median(FIGURES[RATE], bare)
    cpu = _median(FIGURES[SERVER_CPU], bare) / _median(FIGURES[SERVER_CPU], api)
    verdict = "met" if rate >= TARGET_RATIO else "missed"
    print(f"\nratio {rate:.2f} of the bare route (target {TARGET_RATIO:.2f}: {verdict}), {cpu:.2f} by server CPU")
    used = {name: statistics.median(sample.cpu_us[name] for sample in api) for name in api[0].cpu_us}
    print("of the CPU: " + ", ".join(f"{name} {us / sum(used.values()):.0%}" for name, us in used.items()))
    strangers = _median(lambda sample: sample.strangers, bare + api)
    if strangers > STRANGERS_MAX:
        print(f"other programs took {strangers:.0%} of this machine: trust the ratio by CPU more than the rates")


def _median(of: Callable[[Sample], float], samples: list[Sample]) -> float:
    return statistics.median(map(of, samples))


def profile(servers: Servers, options: argparse.Namespace) -> int:
    """One more run with the API under the sampler; how many payments it created."""
    port, metrics_port = find_free_ports(2)
    output = servers.folder / "api.prof"
    samples: list[Sample] = []
    with running_process(
        profiled("gateway_api", output),
        port=port,
        log=servers.folder / "profiled.log",
        environment=servers.environment(port, metrics_port),
    ) as process:
        watched = {"server": process}
        for run, seconds in (("cold", WARM_UP_SECONDS), ("profile", options.seconds)):
            if run == "profile":
                process.send_signal(START_SIGNAL)
            target = create_target(port, run)
            samples.append(run_round(target, watched, connections=options.connections, seconds=seconds))
    print_profile(output, samples[-1].cpu_us["server"])
    return created_by(samples)


def created_by(samples: list[Sample]) -> int:
    return sum(sample.result.statuses.get("201", 0) for sample in samples)


if __name__ == "__main__":
    sys.exit(main())

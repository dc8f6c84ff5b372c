"""One round of load: the generator in a process of its own, and the CPU that each watched process used meanwhile."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import psutil  # type: ignore[import-untyped]
from bench.load import GRACE_SECONDS, Result, Target
from bench.stack import ROOT, cpu_seconds

START_SECONDS = 10.0


@dataclass(frozen=True)
class Sample:
    """What came of a round; CPU in microseconds an answer, by process."""

    result: Result
    cpu_us: dict[str, float]
    strangers: float
    """The share of the machine that programs outside the bench took meanwhile."""

    @property
    def answers(self) -> int:
        return sum(self.result.statuses.values())

    @property
    def is_clean(self) -> bool:
        """Whether every request got its 201."""
        return set(self.result.statuses) == {"201"} and not self.result.dropped

    def __str__(self) -> str:
        used = " ".join(f"{name} {us:.0f}" for name, us in self.cpu_us.items())
        return (
            f"{self.result.per_second:>8.0f}/s  p50 {self.result.latency_p50_ms:.1f} ms"
            f"  p99 {self.result.latency_p99_ms:.1f} ms  CPU us: {used}  others {self.strangers:.0%}"
        )


def run_round(target: Target, watched: Mapping[str, psutil.Process], *, connections: int, seconds: float) -> Sample:
    before = {name: cpu_seconds(process) for name, process in watched.items()}
    machine, children, started = _machine_cpu_seconds(), _children_cpu_seconds(), time.monotonic()
    result = _load(target, connections=connections, seconds=seconds)
    used = {name: cpu_seconds(process) - before[name] for name, process in watched.items()}
    offered = (time.monotonic() - started) * (psutil.cpu_count() or 1)
    known = sum(used.values()) + _children_cpu_seconds() - children
    answers = max(1, sum(result.statuses.values()))
    return Sample(
        result,
        cpu_us={name: cpu / answers * 1e6 for name, cpu in {**used, "client": result.client_cpu_seconds}.items()},
        strangers=max(0.0, _machine_cpu_seconds() - machine - known) / offered,
    )


def _machine_cpu_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.system)


def _children_cpu_seconds() -> float:
    """What programs that we started and that have ended took: here, the load generator with its start."""
    times = resource.getrusage(resource.RUSAGE_CHILDREN)
    return times.ru_utime + times.ru_stime


def _load(target: Target, *, connections: int, seconds: float) -> Result:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bench.load", json.dumps(asdict(target))),
            *("--connections", str(connections), "--seconds", str(seconds)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds + GRACE_SECONDS + START_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"the load generator failed:\n{done.stderr}")
    return Result(**json.loads(done.stdout))

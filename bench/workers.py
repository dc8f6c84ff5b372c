"""Worker processes under a bench: real processors and no-op ones, started, asked by their metrics, watched."""

import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]
from bench.stack import Servers, cpu_seconds, running_process
from prometheus_client.parser import text_string_to_metric_families

from gateway_cli.local.ports import find_free_ports

ZERO_DELAY = {"PROCESSING_DELAY_MIN_MS": "0", "PROCESSING_DELAY_MAX_MS": "0"}
PROCESSOR = ("-m", "gateway_processor")
POLL_SECONDS = 0.1
DONE = (("authorize", "approved"), ("none", "nothing"))
"""Jobs that did what a bench has them do, by operation and outcome: payments, and no-op jobs."""


@dataclass(frozen=True)
class Jobs:
    """Of one process since its start."""

    done: int
    for_nothing: int
    """Rings for which there was nothing to claim, or nothing left to do."""
    rings_sent: int


@dataclass(frozen=True)
class WorkerProcess:
    """A process that takes jobs from the queue and answers /metrics."""

    process: psutil.Process
    port: int

    def jobs(self) -> Jobs:
        """What it says of its jobs at this moment."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as response:
            text = response.read().decode()
        jobs: Counter[tuple[str, str]] = Counter()
        rings: Counter[str] = Counter()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "gateway_jobs_total":
                    jobs[sample.labels["operation"], sample.labels["outcome"]] += round(sample.value)
                if sample.name == "gateway_queue_rings_total" and sample.labels["queue"] == "payments":
                    rings[sample.labels["outcome"]] += round(sample.value)
        done = sum(jobs[name] for name in DONE)
        return Jobs(done, jobs.total() - done, rings["sent"])

    @property
    def resident_megabytes(self) -> float:
        resident: int = self.process.memory_info().rss
        return resident / 2**20

    @property
    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process)


@contextmanager
def running_worker(
    servers: Servers, name: str, command: Sequence[str] = PROCESSOR, **settings: str
) -> Iterator[WorkerProcess]:
    """Run a worker until the end of the block; `{url}` and `{port}` in its command are Redis and its metrics port."""
    (port,) = find_free_ports(1)
    with running_process(
        [part.format(url=servers.redis_url, port=port) for part in command],
        port=port,
        log=servers.folder / f"{name}.log",
        environment=servers.environment(port, port) | settings,
    ) as process:
        yield WorkerProcess(process, port)


def wait_for_jobs(workers: Sequence[WorkerProcess], count: int, *, timeout_seconds: float) -> None:
    """Return once the workers have done so many jobs altogether."""
    deadline = time.monotonic() + timeout_seconds
    while (done := sum(worker.jobs().done for worker in workers)) < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"{done} of {count} jobs within {timeout_seconds:g} s")
        time.sleep(POLL_SECONDS)

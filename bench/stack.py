"""What a bench runs against: real PostgreSQL with full durability, Valkey, and server processes of ours, on free ports.

Everything listens on loopback, lies in one temporary folder and is gone afterwards. What is measured is not said here.
"""

import asyncio
import base64
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from tests.support.servers import running_program

from gateway_cli.local.ports import find_free_ports, is_taken
from gateway_cli.local.postgres import (
    SERVICE_ROLE,
    create_database,
    create_service_role,
    postgres_program,
    postgres_url,
)
from gateway_cli.local.valkey import redis_url, valkey_program
from gateway_common.db.migrations import upgrade
from gateway_common.merchants.seed import seed_test_merchant

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60.0
STOP_SECONDS = 30.0
# A key for data that is thrown away with the folder.
MASTER_KEY = base64.b64encode(bytes(32)).decode()


@dataclass(frozen=True)
class Servers:
    """Where truth and doorbell are, and their processes."""

    database_url: str
    postgres_port: int
    redis_url: str
    folder: Path
    postgres: psutil.Process
    valkey: psutil.Process

    def environment(self, port: int, metrics_port: int) -> dict[str, str]:
        """What a service of ours is told, at its production defaults for all that costs time."""
        return {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "GATEWAY_MASTER_KEY": MASTER_KEY,
            "TEST_MODE": "true",
            # Counted like any other request, never refused.
            "RATE_LIMIT_PER_KEY": "1000000",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "METRICS_PORT": str(metrics_port),
        }


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Both servers, migrated and seeded with the test merchant."""
    postgres_port, valkey_port = find_free_ports(2)
    with (
        tempfile.TemporaryDirectory(prefix="gateway-bench-", ignore_cleanup_errors=True) as name,
        running_program(postgres_program(Path(name, "postgres"), postgres_port)) as postgres,
        running_program(valkey_program(Path(name, "redis"), valkey_port)) as valkey,
    ):
        owner_url = create_database(postgres_port)
        upgrade(owner_url)
        create_service_role(postgres_port)
        asyncio.run(seed_test_merchant(owner_url, MASTER_KEY))
        database_url = postgres_url(postgres_port, role=SERVICE_ROLE)
        processes = psutil.Process(postgres.pid), psutil.Process(valkey.pid)
        yield Servers(database_url, postgres_port, redis_url(valkey_port), Path(name), *processes)


@contextmanager
def running_process(
    command: list[str], *, port: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[psutil.Process]:
    """A server of ours until the end of the block; it has started when its port answers."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait(lambda: is_taken(port), process, log)
        yield psutil.Process(process.pid)
    finally:
        _stop(process, signal.SIGTERM, STOP_SECONDS)


def cpu_seconds(process: psutil.Process) -> float:
    """What the process and all it started have used, those that ended included."""
    times = process.cpu_times()
    used: float = times.user + times.system + times.children_user + times.children_system
    for child in process.children():
        try:
            used += cpu_seconds(child)
        except psutil.NoSuchProcess:
            continue  # It ended just now, and counts with its parent from the next look on.
    return used


def _wait(is_ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{process.args!r} did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals, timeout_seconds: float) -> None:
    process.send_signal(stop_signal)
    try:
        process.wait(timeout_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""Real PostgreSQL and Valkey servers for tests: on free ports, in temporary folders, gone afterwards."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway_cli.local.leftovers import end_leftovers
from gateway_cli.local.ports import find_free_ports
from gateway_cli.local.postgres import create_database, postgres_program
from gateway_cli.local.program import Program, leashed_command
from gateway_cli.local.valkey import redis_url, valkey_program

START_SECONDS = 60.0
IN_MEMORY = Path("/dev/shm")  # noqa: S108 -- a hundred databases are cloned; on a disk each takes ten times as long.
IN_MEMORY_FREE_BYTES = 4 * 1024**3


@contextmanager
def running_postgres() -> Iterator[str]:
    """Run a PostgreSQL that never waits for the disk; yields the address of its empty database `gateway`."""
    (port,) = find_free_ports(1)
    with temporary_folder() as folder, running_program(postgres_program(folder / "postgres", port, durable=False)):
        yield create_database(port)


@contextmanager
def running_redis() -> Iterator[str]:
    """Run a Valkey that keeps nothing on disk; yields its address."""
    (port,) = find_free_ports(1)
    with temporary_folder() as folder, running_program(valkey_program(folder / "redis", port, durable=False)):
        yield redis_url(port)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder in which servers can run for root too; pytest closes its own for others at each new run."""
    place = IN_MEMORY if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > IN_MEMORY_FREE_BYTES else None
    with tempfile.TemporaryDirectory(prefix="gateway-test-", dir=place, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def running_program(program: Program) -> Iterator[subprocess.Popen[bytes]]:
    """Run one server until the end of the block; it is ready when the block begins."""
    program.prepare()
    log = program.folder.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            leashed_command(program),
            cwd=program.folder,
            env=dict(program.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(program, process, log)
        yield process
    finally:
        process.send_signal(program.stop_signal)
        try:
            process.wait(program.stop_timeout_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        end_leftovers([program])


def _wait_until_ready(program: Program, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not program.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{program.name} did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.02)

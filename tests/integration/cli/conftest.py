"""What the tests of the `gateway` command share: a folder for its data, and the command itself as a process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.servers import temporary_folder

from gateway_cli.local.ports import find_free_ports
from gateway_cli.local.settings import PORTS

GATEWAY = (sys.executable, "-m", "gateway_cli")
START_SECONDS = 90.0
OTHERS_SERVERS = {"DATABASE_URL", "MIGRATIONS_DATABASE_URL", "REDIS_URL"}
Run = Callable[..., subprocess.CompletedProcess[str]]
"""Runs a command to its end: takes its arguments, and settings by name."""


class Command:
    """A running `gateway` command, its output so far, and its end."""

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> None:
        self._out, self._err = folder / "command.out", folder / "command.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*GATEWAY, *arguments],
                cwd=folder,
                env=dict(environment),
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._out.read_text()

    @property
    def errors(self) -> str:
        return self._err.read_text()

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while text not in self.output:
            assert self.process.poll() is None, f"ended before {text!r}:\n{self.output}\n{self.errors}"
            assert time.monotonic() < deadline, f"no {text!r}:\n{self.output}\n{self.errors}"
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder() as path:
        yield path


@pytest.fixture
def free_ports() -> dict[str, str]:
    return {name: str(port) for name, port in zip(PORTS, find_free_ports(len(PORTS)), strict=True)}


@pytest.fixture
def gateway(folder: Path, free_ports: dict[str, str]) -> Iterator[Callable[..., Command]]:
    """Start the command in the folder, on free ports unless told otherwise; whatever runs at the end is stopped."""
    started: list[Command] = []

    def start(*arguments: str, **settings: str) -> Command:
        run_folder = folder / f"command-{len(started)}"
        run_folder.mkdir()
        inherited = {name: value for name, value in os.environ.items() if name not in OTHERS_SERVERS}
        command = Command(arguments, inherited | free_ports | settings, run_folder)
        started.append(command)
        return command

    yield start
    for command in started:
        if command.process.poll() is None:
            command.stop(signal.SIGTERM)


@pytest.fixture
def run(database_url: str, master_key: str) -> Run:
    """Run the command to its end on this test's database."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {"DATABASE_URL": database_url, "GATEWAY_MASTER_KEY": master_key, "COLUMNS": "200"} | settings
        return subprocess.run(
            [*GATEWAY, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def succeed(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def read(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(succeed(done))


def fail(exit_status: int, done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a command that failed."""
    assert (done.returncode, done.stdout) == (exit_status, ""), done.stderr
    assert done.stderr.startswith("gateway: ")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("gateway: ").rstrip()

"""The API as the process that runs in production: started by its module, asked over sockets, ended by a signal."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.support.patience import wait_until

from gateway_cli.local.ports import find_free_ports

START_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class ApiProcess:
    """A running API, where it listens, and the file its standard output and errors go to."""

    process: subprocess.Popen[bytes]
    port: int
    output_file: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        return self.output_file.read_text()

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.output
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def running_api_process(folder: Path, **settings: str) -> Iterator[ApiProcess]:
    """Run `python -m gateway_api` with these settings until the end of the block."""
    port, metrics_port = find_free_ports(2)
    ports = {"HOST": "127.0.0.1", "PORT": str(port), "METRICS_PORT": str(metrics_port)}
    output_file = folder / "api.out"
    with output_file.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway_api"],
            env=os.environ | ports | settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    api = ApiProcess(process, port, output_file)
    try:
        wait_until(api.is_ready, "the API is ready", timeout_seconds=START_SECONDS)
        yield api
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()

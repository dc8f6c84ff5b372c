"""receiver.mjs as a process: where it listens, the secret it goes by, and what it made of the webhooks it got."""

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from tests.support.node import needed
from tests.support.patience import wait_until

SCRIPT = Path(__file__).with_name("receiver.mjs")


@dataclass(frozen=True)
class Judged:
    """A webhook and whether Node believed its `x-webhook-signature`."""

    accepted: bool
    headers: dict[str, str]
    body: bytes


class NodeReceiver:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[dict[str, Any]] = []
        self._reading = Thread(target=self._read, daemon=True)
        self._reading.start()
        wait_until(lambda: bool(self._lines), "Node says where it listens")
        self.url = f"http://127.0.0.1:{self._lines[0]['port']}/webhooks"

    @property
    def judged(self) -> list[Judged]:
        """What has come so far, in order."""
        return [
            Judged(line["accepted"], line["headers"], base64.b64decode(line["body"]))
            for line in self._lines
            if "accepted" in line
        ]

    def expect_secret(self, secret: str) -> None:
        """Judge by this secret from now on."""
        if self._process.stdin is not None:
            self._process.stdin.write(secret + "\n")
            self._process.stdin.flush()
        wait_until(lambda: any("knowsSecret" in line for line in self._lines), "Node knows the secret")

    def _read(self) -> None:
        if self._process.stdout is not None:
            self._lines.extend(json.loads(line) for line in self._process.stdout)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reading.join()


@contextmanager
def running_node_receiver() -> Iterator[NodeReceiver]:
    """Without Node the test is skipped on a laptop; where CI=true it must be there."""
    node = needed("node", "to show that a receiver in Node accepts our webhooks")
    with subprocess.Popen([node, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        receiver = NodeReceiver(process)
        try:
            yield receiver
        finally:
            receiver.close()

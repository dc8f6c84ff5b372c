"""The places in which processors live and die: in each, when one has ended, the next begins at once."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from itertools import count
from pathlib import Path

from tests.support.crash_plan import Kill

from gateway_cli.local.ports import find_free_ports

KILLED = -signal.SIGKILL


class Slots:
    """Works a plan of kills off, the neighbours of each other. When it is done, all go on living."""

    def __init__(self, plan: Sequence[Kill], settings: Mapping[str, str], diary: Path) -> None:
        self.killed = 0
        self.unplanned_ends: list[int] = []
        """Exit statuses of lives that ended otherwise than planned."""
        self.done = asyncio.Event()
        self._plan = deque(plan)
        self._kills = len(plan)
        self._settings = settings
        self._diary = diary
        self._numbers = count(1)
        self._last_silent = plan[-1].silent_after_seconds
        self._stopping = False
        self._living: set[int] = set()

    @asynccontextmanager
    async def running(self, how_many: int, log: Path) -> AsyncIterator[None]:
        """Fill the slots until the block ends; then all who live drain and leave."""
        # What is killed writes no coverage, and measuring it would make every start slow.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        async with AsyncExitStack() as stack:
            output = stack.enter_context(log.open("wb"))
            command = (sys.executable, "-m", "tests.support.crash_zygote", str(self._diary))
            zygotes = [
                await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=output, env=environment)
                for _ in range(how_many)
            ]
            lives = [
                asyncio.create_task(self._live(zygote, port))
                for zygote, port in zip(zygotes, find_free_ports(how_many), strict=True)
            ]
            try:
                yield
            finally:
                self._stopping = True
                for pid in self._living:
                    os.kill(pid, signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(30):
                        await asyncio.gather(*lives)
                for zygote in zygotes:
                    zygote.stdin.close() if zygote.stdin else None
                    await zygote.wait()

    async def _live(self, zygote: Process, port: int) -> None:
        if zygote.stdin is None or zygote.stdout is None:
            raise RuntimeError("the zygote has no pipes")
        while not self._stopping:
            kill = self._plan.popleft() if self._plan else None
            zygote.stdin.write(self._line(kill, port))
            pid = int(await zygote.stdout.readline())
            self._living.add(pid)
            status = int(await zygote.stdout.readline())
            self._living.discard(pid)
            if kill and status == KILLED:
                self.killed += 1
            elif status or not self._stopping:
                self.unplanned_ends.append(status)
            if self.killed + len(self.unplanned_ends) >= self._kills:
                self.done.set()

    def _line(self, kill: Kill | None, port: int) -> bytes:
        silent_after_seconds = kill.silent_after_seconds if kill else self._last_silent
        settings = {
            **self._settings,
            "METRICS_PORT": str(port),
            "WORKER_SILENT_AFTER_SECONDS": str(silent_after_seconds),
        }
        life = {"number": next(self._numbers), "settings": settings, "kill": asdict(kill) if kill else None}
        return json.dumps(life).encode() + b"\n"


def read_complaints(log: Path) -> Iterator[str]:
    """What the processors complained of beside a lease that they freed for a dead one."""
    for line in log.read_text(errors="replace").splitlines():
        if "leases.freed" not in line:
            yield line

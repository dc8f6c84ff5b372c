"""The places in which processors live and die: in each, when one has ended, the next begins at once."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path

from tests.support.crash_plan import Kill, Row

from gateway_cli.local.ports import find_free_ports
from gateway_processor.steps import Step

KILLED = -signal.SIGKILL
STOPPED = (0, -signal.SIGTERM)
"""A process that has only just begun does not listen to signals yet."""
STOP_SECONDS = 30.0


class Slots:
    """Works a plan of kills off, the neighbours of each other. When it is done, all go on living.

    Some cells are only reached where another life was cut short. So while the last of the plan wait for theirs, their
    neighbours go on dying.
    """

    def __init__(self, plan: Sequence[Kill], settings: Mapping[str, str], diary: Path) -> None:
        self.unplanned_ends: list[int] = []
        """Exit statuses of lives that ended otherwise than planned."""
        self.done = asyncio.Event()
        self._plan = deque(plan)
        self._outstanding = len(plan)
        self._decoy = replace(
            plan[-1], row=Row.REFUND, column="during call", step=Step.CALLING, passing=2, delay_seconds=0.01
        )
        self._settings = settings
        self._diary = diary
        self._numbers = count(1)
        self._stopping = False
        self._living: set[int] = set()

    @asynccontextmanager
    async def running(self, how_many: int, log: Path, *, deadly: int) -> AsyncIterator[None]:
        """Fill the slots until the block ends; then all who live drain and leave. In so many of them lives are ended
        by the plan, in the others they go on.
        """
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
                asyncio.create_task(self._live(zygote, port, is_deadly=place < deadly))
                for place, (zygote, port) in enumerate(zip(zygotes, find_free_ports(how_many), strict=True))
            ]
            try:
                yield
            finally:
                self._stopping = True
                self._signal(signal.SIGTERM)
                await asyncio.wait(lives, timeout=STOP_SECONDS)
                self._signal(signal.SIGKILL)
                for zygote in zygotes:
                    await zygote.communicate(b"")  # Without further input it ends.
                await asyncio.gather(*lives)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._living:
            os.kill(pid, number)

    async def _live(self, zygote: Process, port: int, *, is_deadly: bool) -> None:
        if zygote.stdin is None or zygote.stdout is None:
            raise RuntimeError("the zygote has no pipes")
        while not self._stopping:
            planned = self._plan.popleft() if is_deadly and self._plan else None
            kill = planned or (self._decoy if is_deadly and not self.done.is_set() else None)
            zygote.stdin.write(self._line(kill, port))
            pid = int(await zygote.stdout.readline())
            self._living.add(pid)
            status = int(await zygote.stdout.readline())
            self._living.discard(pid)
            if not (status == KILLED and kill) and not (status in STOPPED and self._stopping):
                self.unplanned_ends.append(status)
            self._outstanding -= planned is not None
            if not self._outstanding:
                self.done.set()

    @property
    def outstanding(self) -> int:
        """So many of the plan still live."""
        return self._outstanding

    def _line(self, kill: Kill | None, port: int) -> bytes:
        silent_after_seconds = (kill or self._decoy).silent_after_seconds
        settings = {
            **self._settings,
            "METRICS_PORT": str(port),
            "WORKER_SILENT_AFTER_SECONDS": str(silent_after_seconds),
        }
        life = {"number": next(self._numbers), "settings": settings, "kill": asdict(kill) if kill else None}
        return json.dumps(life).encode() + b"\n"

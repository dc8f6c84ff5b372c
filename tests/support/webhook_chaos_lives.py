"""The dispatchers of a chaos run: in each place one lives, is killed, and the next begins at once.

For each death the leases that the dead one held are noted: what it had claimed and not recorded.
"""

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.records import read_rows
from tests.support.waiting import wait_until

from gateway_cli.local.ports import find_free_ports
from gateway_common.db.database import Database

KILLED: Final = -signal.SIGKILL
STOPPED: Final = (0, -signal.SIGTERM)
"""A process that has only just begun does not listen to signals yet."""
STOP_SECONDS: Final = 60.0
LATE_COMMIT_SECONDS: Final = 0.3
"""So long after a death PostgreSQL may still commit a claim that the dead one had sent."""
LEASES: Final = "SELECT id, claim FROM webhook_deliveries WHERE worker_id = coalesce(:worker_id, worker_id)"
Lease = tuple[str, int]
"""A delivery and the number of its lease."""


@dataclass
class _Place:
    """Where one dispatcher after the other lives. Its log goes on over all of them."""

    zygote: Process
    settings: dict[str, str]
    log: Path
    pid: int = 0
    began_at: int = 0
    """How long the log was when the present life began."""
    died: asyncio.Event = field(default_factory=asyncio.Event)


class Dispatchers:
    def __init__(self, database: Database, settings: Mapping[str, str], folder: Path) -> None:
        self.kills = 0
        self.unplanned_ends: list[int] = []
        self.cut_short: Counter[str] = Counter()
        """How often each delivery was claimed and not recorded, for its dispatcher was killed or PostgreSQL fell."""
        self.cut_by_kills = 0
        self.cut_by_outages = 0
        self._database = database
        self._settings = settings
        self._folder = folder
        self._places: list[_Place] = []
        self._stopping = False

    @asynccontextmanager
    async def running(self, how_many: int) -> AsyncIterator[None]:
        """Fill so many places until the block ends; then those who live drain and leave."""
        # What is killed writes no coverage, and measuring it would make every start slow.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        async with AsyncExitStack() as stack:
            for number, port in enumerate(find_free_ports(how_many)):
                log = self._folder / f"dispatcher-{number}.log"
                output = stack.enter_context(log.open("ab"))
                command = (sys.executable, "-m", "tests.support.webhook_chaos_zygote")
                zygote = await asyncio.create_subprocess_exec(
                    *command, stdin=PIPE, stdout=PIPE, stderr=output, env=environment
                )
                self._places.append(_Place(zygote, {**self._settings, "METRICS_PORT": str(port)}, log))
            lives = [asyncio.create_task(self._live(place)) for place in self._places]
            try:
                for place in self._places:
                    await self._worker_of(place)
                yield
            finally:
                self._stopping = True
                self._signal(signal.SIGTERM)
                await asyncio.wait(lives, timeout=STOP_SECONDS)
                self._signal(signal.SIGKILL)
                for place in self._places:
                    await place.zygote.communicate(b"")  # Without further input it ends.
                await asyncio.gather(*lives)

    async def kill(self) -> None:
        """End the next one by SIGKILL, each place in its turn, and note what it held."""
        place = self._places[self.kills % len(self._places)]
        worker_id = await self._worker_of(place)
        place.died.clear()
        os.kill(place.pid, signal.SIGKILL)
        await place.died.wait()
        held = await self._read_leases(worker_id)
        await asyncio.sleep(LATE_COMMIT_SECONDS)
        held |= await self._read_leases(worker_id)
        self.kills += 1
        self.cut_by_kills += len(held)
        self.cut_short.update(delivery_id for delivery_id, _ in held)

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """None of them does anything until the end of the block. Called when PostgreSQL is down; at the end of the
        block it must be up: what is leased then is what they could not record.
        """
        self._signal(signal.SIGSTOP)
        try:
            yield
            held = await self._read_leases(None)
            self.cut_by_outages += len(held)
            self.cut_short.update(delivery_id for delivery_id, _ in held)
        finally:
            self._signal(signal.SIGCONT)

    def log_lines(self) -> list[dict[str, Any]]:
        """What they wrote, in order of time; what is no line of the log is under `text`."""
        written = (line for place in self._places for line in place.log.read_text(errors="replace").splitlines())
        lines: list[dict[str, Any]] = [
            json.loads(line) if line.startswith("{") else {"time": "", "event": "", "text": line} for line in written
        ]
        return sorted(lines, key=lambda line: line["time"])

    def _signal(self, number: signal.Signals) -> None:
        for place in self._places:
            if place.pid:
                os.kill(place.pid, number)

    async def _live(self, place: _Place) -> None:
        if place.zygote.stdin is None or place.zygote.stdout is None:
            raise RuntimeError("the zygote has no pipes")
        while not self._stopping:
            place.began_at = place.log.stat().st_size
            place.zygote.stdin.write(json.dumps(place.settings).encode() + b"\n")
            place.pid = int(await place.zygote.stdout.readline())
            status = int(await place.zygote.stdout.readline())
            place.pid = 0
            if status != KILLED and not (status in STOPPED and self._stopping):
                self.unplanned_ends.append(status)
            place.died.set()

    async def _worker_of(self, place: _Place) -> str:
        """Who lives there; waits until it has begun to work."""
        found: list[str] = []

        def has_started() -> bool:
            with place.log.open("rb") as log:
                log.seek(place.began_at)
                for line in log:
                    if b'"worker.started"' in line and line.endswith(b"\n"):
                        found.append(json.loads(line)["worker_id"])
                        return True
            return False

        await wait_until(has_started, seconds=60)
        return found[0]

    async def _read_leases(self, worker_id: str | None) -> set[Lease]:
        started = time.monotonic()
        rows = await read_rows(self._database, LEASES, worker_id=worker_id)
        if time.monotonic() - started > 1:
            raise TimeoutError("PostgreSQL took so long that others may have freed the leases")
        return {(row["id"], row["claim"]) for row in rows}

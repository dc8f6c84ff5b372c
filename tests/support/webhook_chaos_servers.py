"""What a chaos run has beside its dispatchers: a PostgreSQL that can fall at any time, and the merchants' receivers."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from signal import SIGQUIT

from tests.support.databases import service_url
from tests.support.servers import temporary_folder

from gateway_cli.local.log import Log
from gateway_cli.local.ports import find_free_ports
from gateway_cli.local.postgres import create_database, create_service_role, postgres_program
from gateway_cli.local.process import Process
from gateway_common.db.migrations import upgrade


@asynccontextmanager
async def falling_postgres(folder: Path) -> AsyncIterator[tuple[Process, str]]:
    """A server that is stopped at once, as by a crash, and keeps what it has committed; and its services' address."""
    (port,) = find_free_ports(1)
    with temporary_folder() as home:
        log = Log(folder / "postgres.log")
        program = replace(postgres_program(home / "postgres", port), stop_signal=SIGQUIT)
        process = Process(program, log, lambda _: None)
        await process.start()
        try:
            url = create_database(port)
            await asyncio.to_thread(upgrade, url)
            create_service_role(port)
            yield process, service_url(url)
        finally:
            await process.stop()
            log.close()


@asynccontextmanager
async def running_sink(diary: Path) -> AsyncIterator[str]:
    """The receivers, in a process of their own; yields their address."""
    command = (sys.executable, "-m", "tests.support.webhook_chaos_sink", str(diary))
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    if process.stdout is None:
        raise RuntimeError("the sink has no pipe")
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        await process.communicate(b"")

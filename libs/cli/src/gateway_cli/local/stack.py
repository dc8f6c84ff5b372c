"""The whole stack as one thing with a lifetime: what runs, in which order it starts and stops, how it is reached.

`gateway up`, `gateway demo` and the tests stand on this; what they show or prove is theirs.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from signal import SIGKILL, Signals
from typing import TextIO

from gateway_cli.database import migrate, seed
from gateway_cli.failure import Failure
from gateway_cli.local.leftovers import end_leftovers
from gateway_cli.local.log import SUPERVISOR, Log
from gateway_cli.local.ownership import owned_folder
from gateway_cli.local.ports import check_ports
from gateway_cli.local.postgres import create_database, create_service_role, postgres_program
from gateway_cli.local.process import Process
from gateway_cli.local.program import Program
from gateway_cli.local.services import find_or_make_master_key, service_programs
from gateway_cli.local.settings import StackSettings
from gateway_cli.local.valkey import valkey_program


@asynccontextmanager
async def running_stack(
    settings: StackSettings, screen: TextIO | None = None, *, without: Collection[str] = ()
) -> AsyncIterator["Stack"]:
    """Run servers and services, migrated, seeded and ready; whatever happens, all of it is stopped at the end.

    A test that needs not all services names those it can do `without`.
    """
    with owned_folder(settings.data_folder):
        servers = server_programs(settings)
        services = [program for program in service_programs(settings) if program.name not in without]
        await asyncio.to_thread(end_leftovers, servers + services)
        check_ports(settings.needed_ports)
        async with supervised(settings, screen) as stack:
            await stack.launch(servers)
            await _prepare_database(settings, stack)
            await stack.launch(services)
            yield stack


@asynccontextmanager
async def supervised(settings: StackSettings, screen: TextIO | None = None) -> AsyncIterator["Stack"]:
    """Yield a stack in which nothing runs yet, and stop all that was launched in it."""
    log = Log(settings.log_path, screen)
    stack = Stack(settings, log)
    try:
        yield stack
    finally:
        try:
            await stack.end()
        finally:
            log.close()


class Stack:
    """The processes by name (`postgres`, `redis`, `api`, `processor`, ...); each can be stopped and started."""

    def __init__(self, settings: StackSettings, log: Log) -> None:
        self.settings = settings
        self.log = log
        self.processes: dict[str, Process] = {}
        self._layers: list[list[Process]] = []
        self._deaths: asyncio.Queue[Process] = asyncio.Queue()

    @property
    def api_url(self) -> str:
        """Where the API is; likewise the other two."""
        return f"http://localhost:{self.settings.ports['API_PORT']}"

    @property
    def dashboard_url(self) -> str:
        return f"http://localhost:{self.settings.ports['DASHBOARD_PORT']}"

    @property
    def sdk_url(self) -> str:
        return f"http://localhost:{self.settings.ports['SDK_PORT']}"

    async def launch(self, programs: Sequence[Program]) -> None:
        """Start programs that do not need each other, at once, and return when all are ready."""
        layer = [Process(program, self.log, self._deaths.put_nowait) for program in programs]
        self._layers.append(layer)
        self.processes |= {process.program.name: process for process in layer}
        try:
            async with asyncio.TaskGroup() as group:
                for process in layer:
                    group.create_task(process.start())
        except* Failure as failures:
            raise failures.exceptions[0] from None

    async def start(self, name: str) -> None:
        """Start one again, and return when it is ready."""
        await self.processes[name].start()

    async def stop(self, name: str) -> None:
        """Stop one in its own good time."""
        await self.processes[name].stop()

    def kill(self, name: str, number: Signals = SIGKILL) -> None:
        """Send one a signal that is expected to end it; `await stack.processes[name].wait()` sees the end."""
        self.processes[name].kill(number)

    async def first_death(self) -> Process:
        """Wait until a process ends that nobody has asked to."""
        return await self._deaths.get()

    async def end(self) -> None:
        """Stop all, what was launched last first. Cancelled meanwhile, it kills what is left."""
        try:
            for layer in reversed(self._layers):
                await asyncio.gather(*(process.stop() for process in layer))
        except asyncio.CancelledError:
            self.log.write(SUPERVISOR, "killing what still runs")
            for process in self.processes.values():
                process.kill()
            await asyncio.gather(*(process.wait() for process in self.processes.values()))
            raise


def server_programs(settings: StackSettings) -> list[Program]:
    """Describe the embedded servers the stack needs: none for which an address is given."""
    programs = []
    if settings.database_url is None:
        folder = settings.data_folder / "postgres"
        programs.append(postgres_program(folder, settings.ports["POSTGRES_PORT"], durable=settings.durable))
    if settings.redis_url is None:
        folder = settings.data_folder / "redis"
        programs.append(valkey_program(folder, settings.ports["REDIS_PORT"], durable=settings.durable))
    return programs


async def _prepare_database(settings: StackSettings, stack: Stack) -> None:
    if settings.database_url is None:
        await asyncio.to_thread(create_database, settings.ports["POSTGRES_PORT"])
    stack.log.write(SUPERVISOR, "bringing the database up to date")
    await migrate(settings.owner_database_url, setting=settings.owner_setting)
    if settings.database_url is None:
        await asyncio.to_thread(create_service_role, settings.ports["POSTGRES_PORT"])
    await seed(settings.owner_database_url, find_or_make_master_key(settings), setting=settings.owner_setting)

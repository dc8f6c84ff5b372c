"""One child of the supervisor: started, watched, stopped. Which children there are, in which order, is in `stack`."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Callable
from signal import SIGKILL, Signals

from gateway_cli.failure import Failure
from gateway_cli.local.leftovers import end_leftovers
from gateway_cli.local.log import SUPERVISOR, Log
from gateway_cli.local.program import Program, leashed_command

START_SECONDS = 60.0
READY_POLL_SECONDS = 0.05
LINE_BYTES_MAX = 1024 * 1024


class Process:
    """A program and its present life, if it has one. After a stop or a kill it can be started again."""

    def __init__(self, program: Program, log: Log, on_unexpected_exit: Callable[["Process"], None]) -> None:
        self.program = program
        self._log = log
        self._on_unexpected_exit = on_unexpected_exit
        self._child: asyncio.subprocess.Process | None = None
        self._life: asyncio.Task[None] | None = None
        self._is_wanted = False

    @property
    def pid(self) -> int | None:
        """The number of the running process, None if it does not run."""
        return self._child.pid if self._child and self._child.returncode is None else None

    @property
    def exit_status(self) -> int | None:
        """How the last life ended: a status, or minus the signal; None while it runs and before it ever did."""
        return self._child.returncode if self._child else None

    async def start(self) -> None:
        """Start it, and return when it is ready; if it was told to end, that comes first."""
        if self._is_wanted:
            raise RuntimeError(f"{self.program.name} runs already")
        await self.wait()
        await asyncio.to_thread(end_leftovers, [self.program])
        await asyncio.to_thread(self.program.prepare)
        self._child = await asyncio.create_subprocess_exec(
            *leashed_command(self.program),
            cwd=self.program.folder,
            env=dict(self.program.environment),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,  # Ctrl-C at the terminal is for the supervisor, which then stops us in order.
            limit=LINE_BYTES_MAX,
        )
        self._is_wanted = True
        self._life = asyncio.create_task(self._live(self._child))
        await self._wait_until_ready()

    async def stop(self) -> None:
        """Ask it to end; after its time for that has passed, end it."""
        self._signal(self.program.stop_signal)
        try:
            await asyncio.wait_for(self.wait(), self.program.stop_timeout_seconds)
        except TimeoutError:
            seconds = self.program.stop_timeout_seconds
            self._log.write(SUPERVISOR, f"{self.program.name} did not stop within {seconds:.0f} s and was killed")
            self.kill()
            await self.wait()

    def kill(self, number: Signals = SIGKILL) -> None:
        """Send it a signal that is expected to end it, and do not wait."""
        self._signal(number)

    async def wait(self) -> int | None:
        """Wait until it has ended and all it said is in the log; return its exit status."""
        if self._life is not None:
            await asyncio.shield(self._life)
        return self.exit_status

    def describe_exit(self) -> str:
        """Say how it ended."""
        status = self.exit_status
        how = f"was ended by {Signals(-status).name}" if status and status < 0 else f"exited with status {status}"
        return f"{self.program.name} {how}"

    def _signal(self, number: Signals) -> None:
        self._is_wanted = False
        if self._child is not None and self.pid is not None:
            self._child.send_signal(number)

    async def _live(self, child: asyncio.subprocess.Process) -> None:
        await self._relay_lines(child)
        await child.wait()
        if self._is_wanted:
            self._is_wanted = False
            self._on_unexpected_exit(self)

    async def _relay_lines(self, child: asyncio.subprocess.Process) -> None:
        if child.stdout is None:
            return
        while True:
            try:
                line = await child.stdout.readline()
            except ValueError:  # A line beyond the limit; asyncio has thrown it away.
                line = b"(a line too long to show)\n"
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self._log.write(self.program.name, text, on_screen=self.program.on_screen)

    async def _wait_until_ready(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while not await asyncio.to_thread(self.program.is_ready):
            if self.pid is None:
                await self.wait()
                if not self.program.on_screen:
                    self._log.reveal(self.program.name)
                raise Failure(f"{self.describe_exit()} before it was ready; its last words are above.")
            if loop.time() > deadline:
                raise Failure(f"{self.program.name} was not ready after {START_SECONDS:.0f} s.")
            await asyncio.sleep(READY_POLL_SECONDS)

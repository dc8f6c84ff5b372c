"""What the stack promises to any program in it, shown with small programs that behave well or badly."""

import asyncio
import signal
import sys
import textwrap
from functools import partial
from pathlib import Path

import pytest

from gateway_cli.failure import Failure
from gateway_cli.local.program import Program
from gateway_cli.local.settings import StackSettings, throwaway_settings
from gateway_cli.local.stack import supervised

WELL_BEHAVED = """
    import signal, sys, time
    signal.signal(signal.SIGTERM, lambda *_: (print("goodbye", flush=True), sys.exit(0)))
    open("ready", "w").close()
    print("hello", flush=True)
    while True:
        time.sleep(60)
"""
STUBBORN = WELL_BEHAVED.replace('(print("goodbye", flush=True), sys.exit(0))', "None")
DYING = WELL_BEHAVED.replace("time.sleep(60)", "time.sleep(0.2); sys.exit(3)")


@pytest.fixture
def settings(folder: Path) -> StackSettings:
    return throwaway_settings({}, folder)


def program(folder: Path, name: str, source: str, *, stop_timeout_seconds: float = 10) -> Program:
    place = folder / name
    place.mkdir()
    return Program(
        name=name,
        command=(sys.executable, "-c", textwrap.dedent(source)),
        folder=place,
        is_ready=(place / "ready").exists,
        prepare=partial((place / "ready").unlink, missing_ok=True),
        stop_timeout_seconds=stop_timeout_seconds,
    )


async def test_programs_are_stopped_in_the_reverse_order_of_their_start(settings: StackSettings, folder: Path) -> None:
    async with supervised(settings) as stack:
        await stack.launch([program(folder, "first", WELL_BEHAVED)])
        await stack.launch([program(folder, "second", WELL_BEHAVED)])
    lines = [tuple(part.strip() for part in line.split("|")) for line in settings.log_path.read_text().splitlines()]
    assert lines == [("first", "hello"), ("second", "hello"), ("second", "goodbye"), ("first", "goodbye")]
    assert {name: process.exit_status for name, process in stack.processes.items()} == {"first": 0, "second": 0}


async def test_a_death_nobody_asked_for_is_told_once(settings: StackSettings, folder: Path) -> None:
    async with supervised(settings) as stack:
        await stack.launch([program(folder, "fine", WELL_BEHAVED), program(folder, "dying", DYING)])
        dead = await asyncio.wait_for(stack.first_death(), 10)
        assert dead.describe_exit() == "dying exited with status 3"


async def test_a_program_can_be_killed_and_started_again(settings: StackSettings, folder: Path) -> None:
    async with supervised(settings) as stack:
        await stack.launch([program(folder, "one", WELL_BEHAVED)])
        stack.kill("one", signal.SIGKILL)
        assert await stack.processes["one"].wait() == -signal.SIGKILL
        assert stack.processes["one"].describe_exit() == "one was ended by SIGKILL"
        await stack.start("one")
        assert stack.processes["one"].pid is not None
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stack.first_death(), 0.2)


async def test_a_program_that_does_not_stop_in_time_is_killed(settings: StackSettings, folder: Path) -> None:
    async with supervised(settings) as stack:
        await stack.launch([program(folder, "stubborn", STUBBORN, stop_timeout_seconds=0.3)])
    assert stack.processes["stubborn"].exit_status == -signal.SIGKILL
    assert "stubborn did not stop within 0 s and was killed" in settings.log_path.read_text()


async def test_a_second_interrupt_kills_what_will_not_stop(settings: StackSettings, folder: Path) -> None:
    inside = asyncio.Event()

    async def run() -> None:
        async with supervised(settings) as stack:
            await stack.launch([program(folder, "stubborn", STUBBORN, stop_timeout_seconds=60)])
            inside.set()
            await stack.first_death()

    task = asyncio.create_task(run())
    await inside.wait()
    task.cancel()
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    assert "killing what still runs" in settings.log_path.read_text()


async def test_one_that_fails_to_start_stops_the_others(settings: StackSettings, folder: Path) -> None:
    with pytest.raises(Failure, match=r"^broken exited with status 7 before it was ready"):
        async with supervised(settings) as stack:
            await stack.launch(
                [program(folder, "fine", WELL_BEHAVED), program(folder, "broken", "raise SystemExit(7)")]
            )
    assert [process.pid for process in stack.processes.values()] == [None, None]


async def test_a_line_too_long_to_show_does_not_end_the_log(settings: StackSettings, folder: Path) -> None:
    source = WELL_BEHAVED.replace('print("hello"', 'print("x" * 3_000_000); print("after"')
    async with supervised(settings) as stack:
        await stack.launch([program(folder, "loud", source)])
    assert "loud               | after" in settings.log_path.read_text()


async def test_a_program_gets_its_own_environment_and_nothing_else(settings: StackSettings, folder: Path) -> None:
    source = WELL_BEHAVED.replace(
        "import signal", "import os; print(sorted(set(os.environ) - {'LC_CTYPE'})); import signal"
    )
    async with supervised(settings) as stack:
        await stack.launch([program(folder, "bare", source)])
    assert "bare               | []" in settings.log_path.read_text()

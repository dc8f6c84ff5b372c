"""What a program of the stack is: its command, its folder, and how one sees that it is ready. Runs nothing."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

LEASH = Path(__file__).with_name("leash.py")


def nothing_to_prepare() -> None:
    """Most programs need nothing before they start."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A child of the supervisor. `prepare` and `is_ready` may block; both are called often."""

    name: str
    command: tuple[str, ...]
    folder: Path
    """Its working directory, used by no other program: a process found in it is a leftover of ours."""
    environment: Mapping[str, str] = field(default_factory=dict)
    is_ready: Callable[[], bool]
    prepare: Callable[[], None] = nothing_to_prepare
    stop_signal: Signals = SIGTERM
    stop_timeout_seconds: float = 30.0
    death_signal: Signals = SIGKILL
    """What it gets when the supervisor dies without a word."""
    user: str = ""
    """The system user it runs as; empty for the supervisor's own."""
    on_screen: bool = True
    """Whether its lines are shown, or only kept in the log file."""


def leashed_command(program: Program) -> list[str]:
    """Return the command line that ends with this process, whatever happens to it."""
    leash = [sys.executable, "-I", "-S", str(LEASH)]
    return [*leash, str(int(program.death_signal)), str(os.getpid()), program.user, *program.command]

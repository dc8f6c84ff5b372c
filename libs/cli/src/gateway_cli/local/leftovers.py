"""Finds and ends processes that outlived an earlier supervisor: our own binary in our own folder, nothing else."""

import os
from collections.abc import Iterable
from contextlib import suppress
from signal import SIGKILL, Signals

import psutil  # type: ignore[import-untyped]

from gateway_cli.local.program import Program

POLITE_SECONDS = 10.0


def end_leftovers(programs: Iterable[Program]) -> list[str]:
    """Stop what an earlier run left of these programs, politely first, and return the names of what was found."""
    found = find_leftovers(programs)
    for process, program in found:
        _send(process, program.stop_signal)
    _, stubborn = psutil.wait_procs([process for process, _ in found], timeout=POLITE_SECONDS)
    for process in stubborn:
        _send(process, SIGKILL)
    psutil.wait_procs(stubborn, timeout=POLITE_SECONDS)
    return sorted({program.name for _, program in found})


def find_leftovers(programs: Iterable[Program]) -> list[tuple[psutil.Process, Program]]:
    """Return the processes that run a program's binary inside that program's folder."""
    by_place = {(os.path.realpath(each.folder), os.path.realpath(each.command[0])): each for each in programs}
    places = ((process, by_place.get(_place_of(process))) for process in psutil.process_iter())
    return [(process, program) for process, program in places if program is not None]


def _place_of(process: psutil.Process) -> tuple[str, str]:
    try:
        return process.cwd(), process.exe()
    except (psutil.Error, OSError):
        return "", ""  # Gone meanwhile, or another user's: either way not ours.


def _send(process: psutil.Process, number: Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)

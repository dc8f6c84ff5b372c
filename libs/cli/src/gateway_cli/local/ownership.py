"""One folder, one stack: the data folder belongs to the supervisor that holds its lock, until that ends, however."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from gateway_cli.failure import Failure


def find_holder(folder: Path) -> str | None:
    """The process number of the supervisor that holds the folder; None if none does. Leaves the folder as it is."""
    try:
        lock = open(folder / "lock", encoding="ascii")  # noqa: PTH123, SIM115 - Held below, under its own name.
    except OSError:
        return None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read_holder(lock)
        return None


@contextmanager
def owned_folder(folder: Path) -> Iterator[None]:
    """Make the folder if need be and hold it; fails at once if another supervisor holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / "lock", "a+", encoding="ascii")  # noqa: PTH123, SIM115 - Held below, under its own name.
    except OSError as error:
        raise Failure(f"The folder {folder} can't be used: {error.strerror} ({error.filename}).") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(
                f"A gateway already runs in {folder.parent} (process {_read_holder(lock)}): stop that one first."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _read_holder(lock: TextIO) -> str:
    lock.seek(0)
    return lock.read().strip() or "unknown"

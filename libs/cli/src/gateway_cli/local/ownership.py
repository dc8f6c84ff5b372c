"""One folder, one stack: the data folder belongs to the supervisor that holds its lock, until that ends, however."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway_cli.failure import Failure


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
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise Failure(
                f"A gateway already runs in {folder.parent} (process {holder}): stop that one first."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield

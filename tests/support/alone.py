"""How one of many processes gets the machine for itself while the others wait."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Doors:
    """A room for many, or for one alone. Who wants it alone waits in the porch, where nobody can overtake it."""

    def __init__(self, folder: Path) -> None:
        self._porch = folder / "porch.lock"
        self._room = folder / "room.lock"

    @contextmanager
    def passed(self, *, alone: bool) -> Iterator[None]:
        """Be in the room until the end of the block. The system lets a process that dies out of both."""
        with self._room.open("w") as room:
            with self._porch.open("w") as porch:
                fcntl.flock(porch, fcntl.LOCK_EX)
                fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield

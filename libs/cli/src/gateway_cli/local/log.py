"""The one readable log of the stack: each line with the name of its writer, in a file and, if wanted, on the screen."""

import os
from pathlib import Path
from typing import TextIO

SUPERVISOR = "gateway"
NAME_WIDTH = len("webhook-dispatcher")
COLOURS = {"api": 36, "processor": 33, "webhook-dispatcher": 35, "dashboard": 34, "sdk": 32}
OTHER_COLOUR = 90


class Log:
    """Takes lines by name. The file gets all of them, the screen those that somebody at it wants to see."""

    def __init__(self, path: Path, screen: TextIO | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.replace(path.with_suffix(".previous.log"))
        self.path = path
        self._file = path.open("w", encoding="utf-8", buffering=1)
        self._screen = screen
        self._colourful = screen is not None and screen.isatty() and "NO_COLOR" not in os.environ

    def write(self, name: str, line: str, *, on_screen: bool = True) -> None:
        """Add one line."""
        print(_label(name), line, file=self._file)
        if on_screen:
            self._show(name, line)

    def reveal(self, name: str, count: int = 15) -> None:
        """Show the last lines of someone who only wrote to the file."""
        for line in read_tail(self.path, count, name):
            self._show(name, line.removeprefix(_label(name)).strip())

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _show(self, name: str, line: str) -> None:
        if self._screen is None:
            return
        label = _label(name)
        if self._colourful:
            label = f"\x1b[{COLOURS.get(name, OTHER_COLOUR)}m{label}\x1b[0m"
        try:
            print(label, line, file=self._screen, flush=True)
        except OSError:  # The terminal is gone, or `head` has seen enough; the file has it all.
            self._screen = None


def read_tail(path: Path, count: int, name: str = "") -> list[str]:
    """Return the last lines of a log file, of one name if it is given."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line for line in lines if not name or line.startswith(_label(name))][-count:]


def _label(name: str) -> str:
    return f"{name:<{NAME_WIDTH}} |"

"""A parent that has imported a worker and forks one for each line it reads: a start costs milliseconds, not seconds.

It reads a life's values per line and answers with the child's number, and with its exit status when it is over.
"""

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any


def serve_lives(live: Callable[[dict[str, Any]], None]) -> None:
    """In the parent: fork until there is no more to read. In each child: live, by the values of its line."""
    # Workers log to standard output; what this program answers must not be mixed with it.
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    values = _next_life(answers)
    if values is None:
        return
    threading.Thread(target=_end_with_the_harness, daemon=True).start()
    live(values)


def _next_life(answers: int) -> dict[str, Any] | None:
    """None in the parent, when it is over."""
    for line in sys.stdin:
        values: dict[str, Any] = json.loads(line)
        pid = os.fork()
        if pid == 0:
            return values
        os.write(answers, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))
    return None


def _end_with_the_harness() -> None:
    """Nothing is written to a living child, so the end of the input means that whoever watched it is gone."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)

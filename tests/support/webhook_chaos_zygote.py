"""A parent that has imported the dispatcher and forks one for each line it reads: a start costs milliseconds, not
seconds. The child is the real worker.

It reads a life's settings per line and answers with the child's number, and with its exit status when it is over.
"""

import json
import os
import sys
import threading

from gateway_common.serving import run
from gateway_webhook_dispatcher import worker


def next_life(answers: int) -> dict[str, str] | None:
    """In the parent: serve until there is no more to read, then None. In each child: the settings it is to live by."""
    for line in sys.stdin:
        settings: dict[str, str] = json.loads(line)
        pid = os.fork()
        if pid == 0:
            return settings
        os.write(answers, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))
    return None


def end_with_the_harness() -> None:
    """Nothing is written to a living child, so the end of the input means that whoever watched it is gone."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main() -> None:
    # The dispatcher logs to standard output; what this program answers must not be mixed with it.
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    settings = next_life(answers)
    if settings is None:
        return
    threading.Thread(target=end_with_the_harness, daemon=True).start()
    os.environ.update(settings)
    run(worker.main)


if __name__ == "__main__":
    main()

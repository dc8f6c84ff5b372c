"""Run as a script before a program: ties its life to its parent's, takes on its user, and becomes it.

It stands alone and imports nothing of ours: it runs isolated (`python -I -S`) to start in milliseconds.
Where the system has no such tie (macOS), leftovers are ended at the next start instead: see `leftovers`.
"""

import ctypes
import os
import pwd
import sys

SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>


def run(death_signal: int, parent: int, user: str, command: list[str]) -> None:
    """Replace this process by the command; changing the user first, since that would undo the tie."""
    if user:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, death_signal)
        if os.getppid() != parent:
            sys.exit("the supervisor is gone")
    os.execv(command[0], command)  # noqa: S606 - The command is the supervisor's own.


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])

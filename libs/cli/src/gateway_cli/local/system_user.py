"""PostgreSQL refuses to run as root, so for root it runs as a user of its own, and here that user is let in.

Other users and other programs need none of this.
"""

import os
import pwd
import stat
import subprocess
from functools import cache
from pathlib import Path

from gateway_cli.failure import Failure

NAME = "pgserver"  # As the wheel names it, so that a machine gets one such user.
PASS = stat.S_IXGRP | stat.S_IXOTH
READ = stat.S_IRGRP | stat.S_IROTH


@cache
def postgres_user() -> str:
    """Return the user PostgreSQL has to run as, made if it is missing; empty if that is the user we are."""
    if os.geteuid() != 0:
        return ""
    try:
        pwd.getpwnam(NAME)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME]
        _make_user(command)
    return NAME


def let_pass(path: Path) -> None:
    """Let others walk through the folders above, but not list them: a checkout may lie below a closed home."""
    for folder in path.resolve().parents:
        _add(folder, PASS)


def let_read(path: Path) -> None:
    """Let others read a whole tree: it may have been installed with a closed umask."""
    let_pass(path)
    _add(path, READ | PASS)
    for folder, folders, files in os.walk(path):
        for name in folders:
            _add(Path(folder, name), READ | PASS)
        for name in files:
            file = Path(folder, name)
            _add(file, READ | (PASS if file.stat().st_mode & stat.S_IXUSR else 0))


def _add(path: Path, wanted: int) -> None:
    mode = path.stat().st_mode
    if mode & wanted != wanted:
        path.chmod(stat.S_IMODE(mode) | wanted)


def _make_user(command: list[str]) -> None:
    try:
        made = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Failure(
            f"PostgreSQL can't run as root: create the system user {NAME}, or start as another user."
        ) from None
    already_there = 9  # By another start at the same moment.
    if made.returncode not in {0, already_there}:
        raise Failure(f"The system user {NAME} for PostgreSQL could not be made: {made.stderr.strip()}")

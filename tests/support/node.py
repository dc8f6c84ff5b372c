"""Node and npm as tests use them: skipped on a laptop that lacks them, needed where CI=true."""

import os
import shutil
from typing import NoReturn

import pytest


def needed(program: str, why: str) -> str:
    """The program's path. Without it the test is skipped on a laptop; where CI=true it fails."""
    found = shutil.which(program)
    if found is None:
        absent(f"{program} is needed here {why}")
    return found


def absent(why: str) -> NoReturn:
    """End the test: what it needs is not there."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)

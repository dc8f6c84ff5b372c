"""Waiting in a test that has no event loop; waiting.py is for those that have one."""

import time
from collections.abc import Callable

LOOK_EVERY_SECONDS = 0.05


def wait_until(condition: Callable[[], bool], what: str, *, timeout_seconds: float = 20) -> float:
    """Look until the condition holds; the seconds that took. TimeoutError says what did not happen."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > timeout_seconds:
            raise TimeoutError(f"not within {timeout_seconds:g} s: {what}")
        time.sleep(LOOK_EVERY_SECONDS)
    return time.monotonic() - started

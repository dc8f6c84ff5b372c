"""Waiting for something to become true, with short looks and a deadline that says what never came."""

import asyncio
import time
from collections.abc import Callable

LOOK_EVERY_SECONDS = 0.05


def wait_until(condition: Callable[[], bool], what: str, *, timeout_seconds: float = 20) -> float:
    """Look until the condition holds; the seconds that took. TimeoutError says what did not happen."""
    started = time.monotonic()
    while not condition():
        _check_deadline(started, timeout_seconds, what)
        time.sleep(LOOK_EVERY_SECONDS)
    return time.monotonic() - started


async def wait_in_loop_until(condition: Callable[[], bool], what: str, *, timeout_seconds: float = 20) -> float:
    """As `wait_until`, for a test that shares its event loop with what it waits for."""
    started = time.monotonic()
    while not condition():
        _check_deadline(started, timeout_seconds, what)
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    return time.monotonic() - started


def _check_deadline(started: float, timeout_seconds: float, what: str) -> None:
    if time.monotonic() - started > timeout_seconds:
        raise TimeoutError(f"not within {timeout_seconds:g} s: {what}")

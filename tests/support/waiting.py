"""Waiting inside a test's own event loop for something to come true: asked often, with a generous end."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

STEP_SECONDS = 0.02


async def wait_until(condition: Callable[[], bool | Awaitable[bool]], *, seconds: float = 30.0) -> None:
    """Return as soon as the condition holds; TimeoutError if it does not in time."""
    deadline = time.monotonic() + seconds
    while True:
        holds = condition()
        if await holds if inspect.isawaitable(holds) else holds:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {inspect.getsource(condition).strip()}")
        await asyncio.sleep(STEP_SECONDS)

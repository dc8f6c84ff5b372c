"""What Ctrl-C means: the first one ends the work in good order, the second one ends the patience."""

import asyncio
from collections.abc import Coroutine
from signal import SIGHUP, SIGINT, SIGTERM


def run_until_interrupted(work: Coroutine[None, None, None]) -> bool:
    """Run the work, which each of the signals cancels; return whether it came to its own end."""
    try:
        asyncio.run(_interruptible(work))
    except asyncio.CancelledError:
        return False
    return True


async def _interruptible(work: Coroutine[None, None, None]) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    for number in (SIGINT, SIGTERM, SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    await task

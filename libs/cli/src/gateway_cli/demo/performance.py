"""Puts the story on stage: a stack of its own on free ports, a clock, and a clear end, good or bad."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path

from gateway_cli.demo.receiver import running_receiver
from gateway_cli.demo.story import tell
from gateway_cli.failure import Failure
from gateway_cli.local.interrupts import run_until_interrupted
from gateway_cli.local.log import read_tail
from gateway_cli.local.settings import StackSettings, throwaway_settings
from gateway_cli.local.stack import Stack, running_stack

FAST = {"PROCESSING_DELAY_MIN_MS": "200", "PROCESSING_DELAY_MAX_MS": "500"}
TAIL_LINES = 30


def perform(*, fast: bool) -> None:
    """Run the demo; a failure comes after the last lines of the stack's log."""
    environment = {**(FAST if fast else {}), **os.environ}
    # Outlives the event loop, whose threads may still be making a data folder when Ctrl-C ends it.
    with tempfile.TemporaryDirectory(prefix="gateway-demo-", ignore_cleanup_errors=True) as folder:
        settings = throwaway_settings(environment, Path(folder))
        try:
            finished = run_until_interrupted(_perform(settings))
        except Failure:
            print("\n".join(["", *read_tail(settings.log_path, TAIL_LINES), ""]), file=sys.stderr)
            raise
    if not finished:
        raise Failure("The demo was interrupted.")


async def _perform(settings: StackSettings) -> None:
    started_at = time.monotonic()

    def say(what: str, text: str) -> None:
        print(f"{time.monotonic() - started_at:6.1f} s  {what:<9} {text}", flush=True)

    say("stack", "starting PostgreSQL, Redis and the five services on free ports")
    async with running_stack(settings) as stack:
        say("stack", f"ready, the API is at {stack.api_url}")
        with running_receiver() as receiver:
            await _unless_one_dies(stack, tell(stack.api_url, receiver, say))
        say("stack", "stopping")
    say("stack", "stopped")


async def _unless_one_dies(stack: Stack, story: Coroutine[None, None, None]) -> None:
    """End the story at once if a process ends under it: waiting for what can't come any more tells nobody anything."""
    telling = asyncio.create_task(story)
    death = asyncio.create_task(stack.first_death())
    try:
        await asyncio.wait({telling, death}, return_when=asyncio.FIRST_COMPLETED)
        if not telling.done():
            raise Failure(f"{death.result().describe_exit()} in the middle of the story.")
        await telling
    finally:
        for task in (telling, death):
            task.cancel()
        await asyncio.gather(telling, death, return_exceptions=True)

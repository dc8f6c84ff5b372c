"""What every worker does besides its jobs: say that it lives, look after the queue, repeat until told to stop."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Final

from gateway_common.db.database import Database, DatabaseUnavailableError, StatementRefusedError
from gateway_common.logs import get_logger
from gateway_common.queue.broker import QueueUnavailableError
from gateway_common.workers.store import RENEWALS, delete_silent_workers, renew_worker

_JITTER: Final = 0.2
"""Replicas that started together drift apart instead of asking the database in step."""
_FIRST_TRY_SECONDS: Final = 0.5
_SOON_SECONDS: Final = 0.1


async def repeat(
    name: str, action: Callable[[], Awaitable[bool | None]], *, every_seconds: float, stop: asyncio.Event
) -> None:
    """Run `action` until `stop` is set, sooner than usual after it said True: that there is more to do.

    Whatever goes wrong is logged, and it is tried again the next time.
    """
    log = get_logger().bind(loop=name)
    while not stop.is_set():
        has_more = False
        try:
            has_more = bool(await action())
        except DatabaseUnavailableError as error:
            log.warning("loop.database_unavailable", error=str(error.__cause__))
        except QueueUnavailableError as error:
            log.warning("loop.queue_unavailable", error=str(error))
        except Exception as error:
            log.exception("loop.failed", error=str(error))
        usual = min(_SOON_SECONDS, every_seconds) if has_more else every_seconds
        pause = usual * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
        try:
            await asyncio.wait_for(stop.wait(), pause)
        except TimeoutError:
            continue


async def keep_alive(
    database: Database,
    worker_id: str,
    service: str,
    *,
    silent_after_seconds: float,
    registered: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """Renew the worker's row, which stands for all its leases, until `stop` is set: three times in each
    `silent_after_seconds`, after which others take it for dead.

    `registered` is set by the first success: a lease taken before it would count as a dead worker's.
    """

    async def renew() -> None:
        async with database.statement() as connection:
            await renew_worker(connection, worker_id, service, silent_after_seconds=silent_after_seconds)
            await delete_silent_workers(connection)
        registered.set()

    while not (registered.is_set() or stop.is_set()):
        # Away, or not migrated yet: readiness says which, and a worker that waits needs no restart.
        with contextlib.suppress(DatabaseUnavailableError, StatementRefusedError):
            await renew()
        if not registered.is_set():
            await asyncio.sleep(_FIRST_TRY_SECONDS)
    await repeat("keep_alive", renew, every_seconds=silent_after_seconds / RENEWALS, stop=stop)


async def first_of(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()

"""The life of a worker process: register, work until told to stop, drain, give leases back, leave."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway_common.db.database import Connection, Database, DatabaseUnavailableError
from gateway_common.logs import get_logger
from gateway_common.serving import Health, http_server, operations_app, serve, stop_on_signals
from gateway_common.workers.loops import first_of, keep_alive, repeat
from gateway_common.workers.store import delete_worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Something done again and again while the worker takes on work. An action that says True is run again soon."""

    name: str
    action: Callable[[], Awaitable[bool | None]]
    every_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Who works, and where its probes are answered."""

    id: str
    service: str
    database: Database
    health: Health
    host: str
    metrics_port: int
    silent_after_seconds: float


async def run_worker(
    worker: Worker,
    *,
    work: Callable[[asyncio.Event], Awaitable[None]],
    loops: Sequence[Loop],
    release_leases: Callable[[Connection, str], Awaitable[int]],
    beside: Sequence[Callable[[asyncio.Event], Awaitable[None]]] = (),
) -> None:
    """Run `work` until SIGTERM or SIGINT; it returns when its running jobs are done, or their time is up.

    The loops end with the signal. Renewal of the worker's row, its probes and what runs `beside` go on until the work
    is drained: a job that still runs must not look like a dead worker's. If one of those breaks, the worker drains too
    and the error is raised at the end.
    """
    log = get_logger()
    stop, drained, registered = stop_on_signals(), asyncio.Event(), asyncio.Event()
    operations = http_server(operations_app(worker.health), worker.host, worker.metrics_port)
    background = [
        asyncio.ensure_future(task)
        for task in (
            serve(operations, stop=drained),
            keep_alive(
                worker.database,
                worker.id,
                worker.service,
                silent_after_seconds=worker.silent_after_seconds,
                registered=registered,
                stop=drained,
            ),
            _say_draining(worker.health, stop),
            *(run(drained) for run in beside),
            *(repeat(loop.name, loop.action, every_seconds=loop.every_seconds, stop=stop) for loop in loops),
        )
    ]
    for task in background:
        task.add_done_callback(lambda ended: _stop_if_broken(ended, stop))
    await first_of(registered, stop)
    if not stop.is_set():
        log.info("worker.started", worker_id=worker.id)
        await work(stop)

    with contextlib.suppress(DatabaseUnavailableError):
        # Without a database the leases run out by themselves: this worker is silent from now on.
        async with worker.database.transaction() as connection:
            released = await release_leases(connection, worker.id)
            await delete_worker(connection, worker.id)
            log.info("worker.drained", leases_given_back=released)
    drained.set()
    await asyncio.gather(*background)


def _stop_if_broken(task: asyncio.Future[None], stop: asyncio.Event) -> None:
    """A worker whose renewal, probes or bell broke is half dead: better it drains, ends, and is started again."""
    if not task.cancelled() and task.exception() is not None:
        stop.set()


async def _say_draining(health: Health, stop: asyncio.Event) -> None:
    await stop.wait()
    health.draining = True

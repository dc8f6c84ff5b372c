"""The loops of a worker: they outlive a failing turn and an outage, and stop when they are told to."""

import asyncio

import structlog
from tests.support.proxy import line_to
from tests.support.records import read_rows, write_rows
from tests.support.waiting import wait_until

from gateway_common.db.database import Database
from gateway_common.settings import normalize_database_url
from gateway_common.workers.loops import first_of, keep_alive, repeat
from gateway_common.workers.store import SILENT_AFTER_SECONDS


async def test_a_turn_that_fails_is_logged_and_the_next_one_runs() -> None:
    turns: list[int] = []
    stop = asyncio.Event()

    async def act() -> None:
        turns.append(len(turns))
        if len(turns) == 1:
            raise ValueError("the first turn fails")

    with structlog.testing.capture_logs() as lines:
        looping = asyncio.create_task(repeat("test", act, every_seconds=0.02, stop=stop))
        await wait_until(lambda: len(turns) >= 3)
        stop.set()
        await asyncio.wait_for(looping, 5)

    assert [(line["event"], line["loop"]) for line in lines] == [("loop.failed", "test")]


async def test_a_loop_does_not_sit_out_its_pause_when_it_is_stopped() -> None:
    turns: list[int] = []
    stop = asyncio.Event()

    async def act() -> None:
        turns.append(1)

    looping = asyncio.create_task(repeat("test", act, every_seconds=3600, stop=stop))
    await wait_until(lambda: bool(turns))
    stop.set()

    await asyncio.wait_for(looping, 5)
    assert len(turns) == 1


async def test_a_turn_that_left_something_is_soon_followed_by_the_next_and_one_that_did_not_is_not() -> None:
    turns: list[int] = []
    stop = asyncio.Event()

    async def act() -> bool:
        turns.append(1)
        return len(turns) < 4

    looping = asyncio.create_task(repeat("test", act, every_seconds=3600, stop=stop))
    await wait_until(lambda: len(turns) == 4, seconds=5)
    await asyncio.sleep(0.5)
    stop.set()

    await asyncio.wait_for(looping, 5)
    assert len(turns) == 4


async def test_a_worker_registers_as_soon_as_there_is_a_database(database: Database, database_url: str) -> None:
    registered, stop = asyncio.Event(), asyncio.Event()
    async with line_to(database_url) as (line, near_url):
        line.cut()
        far = Database(normalize_database_url(near_url), application_name="test-far", pool_size=1)
        looping = asyncio.create_task(
            keep_alive(
                far, "wrk_1", "processor", silent_after_seconds=SILENT_AFTER_SECONDS, registered=registered, stop=stop
            )
        )
        await asyncio.sleep(0.2)
        assert not registered.is_set()

        line.mend()
        await asyncio.wait_for(registered.wait(), 20)

        assert await read_rows(database, "SELECT id, service FROM workers") == [{"id": "wrk_1", "service": "processor"}]
        stop.set()
        await asyncio.wait_for(looping, 5)
        await far.close()


async def test_a_worker_started_before_the_migration_registers_after_it(database: Database, owner: Database) -> None:
    registered, stop = asyncio.Event(), asyncio.Event()
    await write_rows(owner, "ALTER TABLE workers RENAME TO workers_to_be")
    looping = asyncio.create_task(
        keep_alive(
            database, "wrk_1", "processor", silent_after_seconds=SILENT_AFTER_SECONDS, registered=registered, stop=stop
        )
    )
    await asyncio.sleep(0.2)
    assert not registered.is_set()

    await write_rows(owner, "ALTER TABLE workers_to_be RENAME TO workers")

    await asyncio.wait_for(registered.wait(), 20)
    stop.set()
    await asyncio.wait_for(looping, 5)


async def test_a_worker_that_never_found_its_database_still_stops(database_url: str) -> None:
    registered, stop = asyncio.Event(), asyncio.Event()
    async with line_to(database_url) as (line, near_url):
        line.cut()
        far = Database(normalize_database_url(near_url), application_name="test-far", pool_size=1)
        looping = asyncio.create_task(
            keep_alive(
                far, "wrk_1", "processor", silent_after_seconds=SILENT_AFTER_SECONDS, registered=registered, stop=stop
            )
        )
        await asyncio.sleep(0.1)

        stop.set()

        await asyncio.wait_for(looping, 10)
        await far.close()
    assert not registered.is_set()


async def test_first_of_waits_for_any_of_its_events() -> None:
    first, second = asyncio.Event(), asyncio.Event()
    waiting = asyncio.create_task(first_of(first, second))
    await asyncio.sleep(0)
    assert not waiting.done()

    second.set()

    await asyncio.wait_for(waiting, 5)

"""What a dispatcher does beside delivering, on a real PostgreSQL: events get numbers, old answers are forgotten."""

import asyncio
from datetime import datetime, timedelta

import pytest
from tests.support.examples import NOW
from tests.support.records import read_rows, store_payments
from tests.support.waiting import wait_until

from gateway_common.clock import system_clock
from gateway_common.db.database import Database
from gateway_common.idempotency.model import KEPT_FOR, IdempotencyScope, StoredAnswer
from gateway_common.idempotency.store import insert_answer
from gateway_common.workers.loops import repeat
from gateway_webhook_dispatcher.housekeeping import PURGE_MOST, Housekeeper

UNNUMBERED = "SELECT FROM events WHERE sequence IS NULL"


async def keep_answers(database: Database, created_at: datetime, count: int = 1, *, name: str = "key") -> None:
    async with database.transaction() as connection:
        for number in range(count):
            scope = IdempotencyScope(merchant_id="mer_test", livemode=False, route="POST /x", key=f"{name}-{number:05}")
            answer = StoredAnswer(
                scope=scope, fingerprint=b"", status=201, body=b"{}", created_at=created_at, request_id=None
            )
            await insert_answer(connection, answer)


async def test_however_many_events_wait_one_turn_numbers_them_all(database: Database) -> None:
    for _ in range(5):
        await store_payments(database, 900)

    await Housekeeper(database, system_clock).number_events()

    [row] = await read_rows(database, "SELECT min(sequence), max(sequence), count(DISTINCT sequence) FROM events")
    assert row == {"min": 1, "max": 4_500, "count": 4_500}


async def test_several_dispatchers_number_side_by_side(database: Database) -> None:
    housekeepers = [Housekeeper(database, system_clock) for _ in range(3)]
    await store_payments(database, 50)

    await asyncio.gather(*(each.number_events() for each in housekeepers))

    assert await read_rows(database, UNNUMBERED) == []


async def test_answers_are_forgotten_after_thirty_days_by_the_business_clock(database: Database) -> None:
    await keep_answers(database, NOW - KEPT_FOR - timedelta(milliseconds=1), name="older")
    await keep_answers(database, NOW - KEPT_FOR, name="just")

    await Housekeeper(database, lambda: NOW).purge_answers()

    rows = await read_rows(database, "SELECT key FROM idempotency_keys")
    assert [row["key"] for row in rows] == ["just-00000"]


async def test_however_many_answers_are_too_old_one_turn_forgets_them_all(database: Database) -> None:
    await keep_answers(database, NOW - KEPT_FOR * 2, PURGE_MOST + 50)

    await Housekeeper(database, lambda: NOW).purge_answers()

    assert await read_rows(database, "SELECT FROM idempotency_keys") == []


async def test_with_nothing_to_do_it_does_nothing(database: Database) -> None:
    housekeeper = Housekeeper(database, system_clock)

    await housekeeper.number_events()
    await housekeeper.purge_answers()


@pytest.mark.parametrize("name", ["number_events", "purge_answers"])
async def test_its_loops_are_run_by_name(database: Database, name: str) -> None:
    [loop] = [each for each in Housekeeper(database, lambda: NOW).loops() if each.name == name]
    await store_payments(database)
    await keep_answers(database, NOW - KEPT_FOR * 2)
    stop = asyncio.Event()
    left = UNNUMBERED if name == "number_events" else "SELECT FROM idempotency_keys"

    async def is_done() -> bool:
        return await read_rows(database, left) == []

    running = asyncio.create_task(repeat(loop.name, loop.action, every_seconds=0.01, stop=stop))
    await wait_until(is_done, seconds=10)
    stop.set()
    await running

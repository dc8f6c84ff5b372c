"""Numbers of events on a real PostgreSQL: without a gap, in the order of the commits, per merchant and mode."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest
from tests.support.examples import example_payment
from tests.support.records import created_event, read_rows, store_payments, write_rows

from gateway_common.db.database import Connection, Database
from gateway_common.errors import NotFoundError
from gateway_common.events.sequence_store import number_events
from gateway_common.events.store import get_event, insert_events, list_events, list_events_after
from gateway_common.payments.store import get_payment

MINE: dict[str, Any] = {"merchant_id": "mer_test", "livemode": False}
_names = count()


@pytest.fixture(autouse=True)
async def other_merchant(database: Database) -> None:
    await write_rows(database, "INSERT INTO merchants VALUES ('mer_other', 'Other', now())")


async def record(connection: Connection, events: int = 1, **scope: Any) -> list[str]:
    """Record events in the caller's transaction; the ids of their objects, by which tests know them again."""
    payments = [example_payment(**{"id": f"pay_{next(_names):06}"} | scope) for _ in range(events)]
    await insert_events(connection, [created_event(payment) for payment in payments])
    return [payment.id for payment in payments]


async def commit(database: Database, events: int = 1, **scope: Any) -> list[str]:
    async with database.transaction() as connection:
        return await record(connection, events, **scope)


async def number(database: Database, *, most: int = 2_000) -> int:
    async with database.transaction() as connection:
        return await number_events(connection, most=most)


async def numbered(database: Database, *, merchant_id: str = "mer_test", livemode: bool = False) -> list[str]:
    """The objects of the merchant's numbered events in order; the numbers themselves must be 1, 2, 3 and so on."""
    query = """
    SELECT object_id, sequence FROM events
    WHERE merchant_id = :merchant_id AND livemode = :livemode AND sequence IS NOT NULL ORDER BY sequence
    """
    rows = await read_rows(database, query, merchant_id=merchant_id, livemode=livemode)
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["object_id"] for row in rows]


@asynccontextmanager
async def sequencers(database: Database, how_many: int, *, most: int = 7) -> AsyncIterator[None]:
    """Number events all the while, from several connections at once."""
    stop = asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            await number(database, most=most)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(work()) for _ in range(how_many)]
    yield
    stop.set()
    await asyncio.gather(*tasks)


async def test_events_are_numbered_from_one_in_the_order_in_which_they_were_recorded(database: Database) -> None:
    first = await commit(database)
    second = await commit(database, 5)

    assert await number(database) == 6
    assert await number(database) == 0
    third = await commit(database)
    assert await number(database) == 1

    assert await numbered(database) == first + second + third


async def test_what_commits_later_gets_a_later_number_though_it_was_recorded_earlier(database: Database) -> None:
    async with database.transaction() as slow:
        recorded_first = await record(slow)
        committed_first = await commit(database)
        assert await number(database) == 1, "what is not committed is not seen, and not waited for"

    assert await number(database) == 1
    assert await numbered(database) == committed_first + recorded_first


async def test_what_was_never_committed_leaves_no_gap(database: Database) -> None:
    before = await commit(database)
    async with database.transaction() as connection:
        await record(connection, 3)
        await connection.rollback()
    after = await commit(database)

    await number(database)

    assert await numbered(database) == before + after


async def test_each_merchant_and_mode_counts_for_itself(database: Database) -> None:
    scopes: list[dict[str, Any]] = [MINE, MINE | {"livemode": True}, MINE | {"merchant_id": "mer_other"}]
    recorded: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for turn in (0, 1, 2, 0, 0, 2, 1, 0):
        recorded[turn] += await commit(database, **scopes[turn])

    assert [await number(database, most=3) for _ in range(4)] == [3, 3, 2, 0]

    for turn, scope in enumerate(scopes):
        assert await numbered(database, **scope) == recorded[turn]
    rows = await read_rows(database, "SELECT last FROM event_sequences ORDER BY last")
    assert [row["last"] for row in rows] == [2, 2, 4]


async def test_while_one_sequencer_has_not_committed_no_other_numbers_and_nobody_waits(database: Database) -> None:
    events = await commit(database, 2)
    async with database.transaction() as first:
        assert await number_events(first) == 2
        assert await asyncio.wait_for(number(database), 2) == 0
        await commit(database)

    assert await number(database) == 1
    assert (await numbered(database))[:2] == events


async def test_a_sequencer_that_dies_before_its_commit_has_numbered_nothing(database: Database) -> None:
    events = await commit(database, 3)
    async with database.transaction() as connection:
        assert await number_events(connection) == 3
        await connection.rollback()

    assert await numbered(database) == []
    assert await number(database) == 3
    assert await numbered(database) == events


async def test_under_many_writers_and_several_sequencers_no_number_is_missing_or_given_twice(
    database: Database,
) -> None:
    chance = random.Random(7)  # noqa: S311
    scopes: list[dict[str, Any]] = [MINE, MINE | {"livemode": True}, MINE | {"merchant_id": "mer_other"}]

    async def write(scope: dict[str, Any]) -> None:
        for _ in range(10):
            async with database.transaction() as connection:
                await record(connection, chance.randint(1, 3), **scope)
                await asyncio.sleep(chance.random() / 100)

    async with sequencers(database, 3):
        await asyncio.gather(*(write(scopes[writer % 3]) for writer in range(6)))
    await number(database)

    [left] = await read_rows(database, "SELECT count(*) AS count FROM events WHERE sequence IS NULL")
    assert left == {"count": 0}
    counts = [len(await numbered(database, **scope)) for scope in scopes]
    assert min(counts) >= 20


async def test_a_reader_that_goes_on_from_the_last_number_it_saw_misses_nothing(database: Database) -> None:
    chance = random.Random(11)  # noqa: S311
    committed: set[str] = set()
    read: list[tuple[int, str]] = []

    async def write() -> None:
        for _ in range(12):
            async with database.transaction() as connection:
                names = await record(connection, 2)
                await asyncio.sleep(chance.random() / 50)
            committed.update(names)

    async def read_on(stop: asyncio.Event) -> None:
        while True:
            is_last = stop.is_set()
            async with database.statement() as connection:
                after = read[-1][0] if read else 0
                found = await list_events_after(connection, after, **MINE, limit=3)
            read.extend((event.sequence, event.id) for event in found)
            if is_last and not found:
                return
            await asyncio.sleep(0)

    stop = asyncio.Event()
    reading = asyncio.create_task(read_on(stop))
    async with sequencers(database, 2):
        await asyncio.gather(*(write() for _ in range(4)))
    while await number(database):
        pass
    stop.set()
    await reading

    rows = await read_rows(database, "SELECT id, object_id FROM events")
    objects = {row["id"]: row["object_id"] for row in rows}
    assert [sequence for sequence, _ in read] == list(range(1, len(committed) + 1))
    assert {objects[event_id] for _, event_id in read} == committed


async def test_the_changes_of_one_object_are_numbered_in_their_order(database: Database) -> None:
    """Its row is locked by each change, so who changes it next records later and commits later."""
    [payment] = await store_payments(database)
    order = [payment.id]

    async def change() -> None:
        async with database.transaction() as connection:
            await get_payment(connection, payment.id, **MINE, lock=True)
            order.extend(await record(connection))

    async with sequencers(database, 2, most=3):
        await asyncio.gather(*(change() for _ in range(9)))
    await number(database)

    assert await numbered(database) == order


async def test_an_event_is_read_and_listed_by_its_own_merchant_once_it_has_its_number(database: Database) -> None:
    await commit(database, 3)
    [first, *_] = await read_rows(database, "SELECT id FROM events ORDER BY position")
    async with database.statement() as connection:
        assert await list_events(connection, **MINE, limit=10) == []
        with pytest.raises(NotFoundError):
            await get_event(connection, first["id"], **MINE)

    await number(database)

    async with database.statement() as connection:
        newest_first = await list_events(connection, **MINE, limit=10)
        assert [event.sequence for event in newest_first] == [3, 2, 1]
        assert await get_event(connection, first["id"], **MINE) == newest_first[-1]
        page = await list_events(connection, **MINE, limit=10, starting_after=newest_first[0].id)
        assert page == newest_first[1:]
        for other in ({"merchant_id": "mer_other"}, {"livemode": True}):
            scope = MINE | other
            assert await list_events(connection, **scope, limit=10) == []
            assert await list_events_after(connection, 0, **scope, limit=10) == []
            with pytest.raises(NotFoundError):
                await get_event(connection, first["id"], **scope)
        assert await list_events(connection, **MINE, limit=10, starting_after="evt_unknown") == []

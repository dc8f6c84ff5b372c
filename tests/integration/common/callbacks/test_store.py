"""Callbacks as rows, on a real PostgreSQL: kept once, locked by one, recorded, and forgotten in the end."""

import pytest
from tests.support.callbacks import call_back, read_callbacks, read_outcomes
from tests.support.records import read_rows, write_rows

from gateway_common.callbacks.model import Callback, CallbackOutcome, HandledCallback
from gateway_common.callbacks.store import (
    delete_old_callbacks,
    insert_callbacks,
    lock_due_callbacks,
    measure_due_callbacks,
    record_callbacks,
)
from gateway_common.clock import system_clock
from gateway_common.db.database import Database
from gateway_common.ids import CALLBACK, new_id

AGE = "UPDATE provider_callbacks SET received_at = now() - make_interval(days => :days)"
HANDLED = CallbackOutcome.UNRELATED


def callback(event_id: str, provider: str = "stripe") -> Callback:
    return Callback(
        id=new_id(CALLBACK, system_clock()),
        provider=provider,
        event_id=event_id,
        payment_id="pay_1",
        body=b"\x00\xff",
        received_at=system_clock(),
    )


async def handle_all(database: Database, outcome: CallbackOutcome | None = HANDLED) -> int:
    """Record the same of everything that is due; how many there were."""
    async with database.transaction() as connection:
        due = await lock_due_callbacks(connection, most=1000)
        await record_callbacks(connection, [HandledCallback(each.id, outcome) for each in due])
    return len(due)


async def test_a_second_copy_is_not_kept_not_even_in_one_batch_but_another_provider_has_its_own_names(
    database: Database,
) -> None:
    async with database.statement() as connection:
        assert await insert_callbacks(connection, []) == 0
        assert await insert_callbacks(connection, [callback("b"), callback("a"), callback("a")]) == 2
        assert await insert_callbacks(connection, [callback("a"), callback("c"), callback("a", "simulator")]) == 2

    kept = [(row["provider"], row["event_id"]) for row in await read_callbacks(database)]
    assert sorted(kept) == [("simulator", "a"), ("stripe", "a"), ("stripe", "b"), ("stripe", "c")]
    assert {row["body"] for row in await read_callbacks(database)} == {b"\x00\xff"}


async def test_what_one_has_locked_another_passes_over_and_gets_if_nothing_was_recorded(database: Database) -> None:
    for _ in range(5):
        await call_back(database, "pay_1")

    async with database.transaction() as one, database.transaction() as other:
        mine, theirs = await lock_due_callbacks(one, most=3), await lock_due_callbacks(other, most=3)

    assert [len(mine), len(theirs)] == [3, 2]
    assert not {each.id for each in mine} & {each.id for each in theirs}
    assert await handle_all(database) == 5


async def test_a_handled_one_is_never_due_again_and_a_waiting_one_in_a_second(database: Database) -> None:
    await call_back(database, "pay_1")
    assert await handle_all(database, None) == 1
    assert await handle_all(database, None) == 0
    await write_rows(database, "UPDATE provider_callbacks SET due_at = now()")
    assert await handle_all(database, CallbackOutcome.ASKED) == 1

    [row] = await read_callbacks(database)
    assert (row["outcome"], row["attempts"], row["due_at"]) == ("asked", 2, None)
    assert row["handled_at"] is not None
    assert await handle_all(database) == 0


@pytest.mark.parametrize(("days", "is_handled", "left"), [(31, True, 0), (31, False, 1), (29, True, 1)])
async def test_only_what_is_handled_and_older_than_30_days_is_forgotten(
    database: Database, *, days: int, is_handled: bool, left: int
) -> None:
    await call_back(database, "pay_1")
    if is_handled:
        await handle_all(database)
    await write_rows(database, AGE, days=days)

    async with database.statement() as connection:
        assert await delete_old_callbacks(connection) == 1 - left

    assert len(await read_outcomes(database)) == left


async def test_forgetting_goes_in_small_batches(database: Database) -> None:
    for _ in range(5):
        await call_back(database, "pay_1")
    await handle_all(database)
    await write_rows(database, AGE, days=31)

    async with database.statement() as connection:
        assert [await delete_old_callbacks(connection, most=2) for _ in range(4)] == [2, 2, 1, 0]


async def test_lateness_and_count_of_due_ones_are_measured(database: Database) -> None:
    for _ in range(3):
        await call_back(database, "pay_1")
    await write_rows(database, "UPDATE provider_callbacks SET due_at = now() - interval '9 seconds'")

    async with database.statement() as connection:
        count, oldest_seconds = await measure_due_callbacks(connection)
    assert (count, 9 <= oldest_seconds < 12) == (3, True)
    await handle_all(database)
    async with database.statement() as connection:
        assert await measure_due_callbacks(connection) == (0, 0)


async def test_looking_for_what_is_due_walks_no_more_than_that(database: Database) -> None:
    """However many are handled: the index holds only those that are due."""
    await write_rows(
        database,
        """
        INSERT INTO provider_callbacks (id, provider, event_id, body, outcome, received_at, handled_at)
        SELECT 'cb_' || n, 'stripe', n::text, '', 'asked', now(), now() FROM generate_series(1, 5000) AS n
        """,
    )
    await call_back(database, "pay_1")

    query = "EXPLAIN SELECT id FROM provider_callbacks WHERE due_at <= now() ORDER BY due_at LIMIT 200"
    plan = "\n".join(str(row) for row in await read_rows(database, query))
    assert "provider_callbacks_due" in plan

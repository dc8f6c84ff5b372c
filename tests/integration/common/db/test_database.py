"""The database's two manners and its errors, on a real PostgreSQL, over a line that can break."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from tests.support.proxy import Line, line_to
from tests.support.records import read_rows, store_payments, write_rows

from gateway_common.db.database import (
    POOL_TIMEOUT_SECONDS,
    Database,
    DatabaseUnavailableError,
    RowLockedError,
    StatementRefusedError,
)
from gateway_common.settings import normalize_database_url

INSERT = "INSERT INTO merchants VALUES (:id, 'Other', now())"
TERMINATE_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'test-far'
"""


@pytest.fixture
async def line(database_url: str) -> AsyncIterator[tuple[Line, Database]]:
    async with line_to(database_url) as (line, near_url):
        far = Database(normalize_database_url(near_url), application_name="test-far", pool_size=2)
        await far.check()
        yield line, far
        await far.close()


async def count_merchants(database: Database) -> int:
    [row] = await read_rows(database, "SELECT count(*) AS count FROM merchants")
    return int(row["count"])


async def test_a_transaction_that_fails_leaves_nothing_behind(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as connection:
            await connection.execute(text(INSERT), {"id": "mer_1"})
            raise LookupError

    with pytest.raises(LookupError):
        await fail()

    assert await count_merchants(database) == 1


async def test_single_statements_commit_by_themselves(database: Database) -> None:
    async def fail() -> None:
        async with database.statement() as connection:
            await connection.execute(text(INSERT), {"id": "mer_1"})
            raise LookupError

    with pytest.raises(LookupError):
        await fail()

    assert await count_merchants(database) == 2


async def test_a_refusal_names_the_rule_and_not_the_values(database: Database) -> None:
    await store_payments(database, vpa="somebody.private@upi")

    with pytest.raises(StatementRefusedError, match="payments_amount_check") as caught:
        await write_rows(database, "UPDATE payments SET amount_minor = 0")

    assert "somebody.private" not in str(caught.value)


async def test_a_broken_line_is_unavailable_and_a_mended_one_works_again(line: tuple[Line, Database]) -> None:
    wire, far = line

    wire.cut()
    for _ in range(2):
        with pytest.raises(DatabaseUnavailableError):
            await far.check()
    wire.mend()

    assert await far.check() == "ok"


async def test_a_line_that_breaks_inside_a_transaction_is_unavailable(line: tuple[Line, Database]) -> None:
    wire, far = line

    async def insert_two() -> None:
        async with far.transaction() as connection:
            await connection.execute(text(INSERT), {"id": "mer_1"})
            wire.cut()
            await connection.execute(text(INSERT), {"id": "mer_2"})

    with pytest.raises(DatabaseUnavailableError):
        await insert_two()
    wire.mend()

    assert await count_merchants(far) == 1


async def test_connections_that_died_while_they_rested_harm_nobody(
    line: tuple[Line, Database], database: Database
) -> None:
    _, far = line
    await asyncio.gather(far.check(), far.check())
    await read_rows(database, TERMINATE_OTHERS)
    await asyncio.sleep(1.2)

    assert list(await asyncio.gather(far.check(), far.check())) == ["ok", "ok"]


async def test_a_caller_waits_for_a_free_connection_but_not_for_ever(line: tuple[Line, Database]) -> None:
    _, far = line

    async with far.statement(), far.statement():
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailableError):
            await far.check()

    assert POOL_TIMEOUT_SECONDS - 0.1 < time.monotonic() - started < POOL_TIMEOUT_SECONDS + 5


async def test_a_deadlock_is_something_to_try_again(database: Database) -> None:
    await write_rows(database, INSERT, id="mer_1")
    touch = text("UPDATE merchants SET name = name WHERE id = :id")
    both_hold_one = asyncio.Barrier(2)

    async def lock(*merchant_ids: str) -> None:
        async with database.transaction() as connection:
            await connection.execute(touch, {"id": merchant_ids[0]})
            await both_hold_one.wait()
            await connection.execute(touch, {"id": merchant_ids[1]})

    results = await asyncio.gather(lock("mer_1", "mer_test"), lock("mer_test", "mer_1"), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["DatabaseUnavailableError", "NoneType"]


async def test_a_server_that_hangs_is_given_up_and_used_again_when_it_is_back(database_url: str) -> None:
    async with line_to(database_url) as (line, near_url):
        far = Database(
            normalize_database_url(near_url), application_name="test-far", pool_size=1, answer_timeout_seconds=0.5
        )
        await far.check()

        line.freeze()
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailableError):
            await far.check()
        seconds = time.monotonic() - started
        line.thaw()

        assert seconds < 15, "psycopg waits some seconds for its own cancellation, but not for ever"
        assert await far.check() == "ok"
        await far.close()


async def test_a_server_that_only_reads_counts_as_away(database: Database) -> None:
    async def write_to_a_standby() -> None:
        async with database.transaction() as connection:
            await connection.execute(text("SET TRANSACTION READ ONLY"))
            await connection.execute(text(INSERT), {"id": "mer_1"})

    with pytest.raises(DatabaseUnavailableError):
        await write_to_a_standby()


async def test_a_row_that_is_held_for_long_is_told_from_an_outage(database: Database) -> None:
    async def wait_for_row() -> None:
        async with database.transaction() as connection:
            await connection.execute(text("SET LOCAL lock_timeout = '100ms'"))
            await connection.execute(text("SELECT FROM merchants WHERE id = 'mer_test' FOR UPDATE"))

    async with database.transaction() as holding:
        await holding.execute(text("SELECT FROM merchants WHERE id = 'mer_test' FOR UPDATE"))
        with pytest.raises(RowLockedError):
            await wait_for_row()

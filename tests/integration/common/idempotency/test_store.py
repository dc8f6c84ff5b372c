"""Kept answers on a real PostgreSQL: counted when given again, forgotten when too old, found by their own merchant."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.examples import NOW
from tests.support.records import read_rows

from gateway_common.db.database import Database
from gateway_common.idempotency.model import KEPT_FOR, IdempotencyScope, StoredAnswer
from gateway_common.idempotency.store import (
    count_replay,
    find_answer,
    insert_answer,
    list_key_uses,
    lock_key,
    purge_answers,
)

ROUTE = "POST /api/v1/orders"
SCOPE = IdempotencyScope(merchant_id="mer_test", livemode=False, route=ROUTE, key="key-12345678")


async def keep(database: Database, scope: IdempotencyScope = SCOPE, **changes: Any) -> StoredAnswer:
    values: dict[str, Any] = {
        "fingerprint": b"\x01\xff",
        "status": 201,
        "body": b'{"id":"ord_1"}',
        "request_id": "req_1",
    }
    answer = StoredAnswer(scope=scope, **{"created_at": NOW} | values | changes)
    async with database.statement() as connection:
        await insert_answer(connection, answer)
    return answer


async def keys(database: Database) -> set[str]:
    return {row["key"] for row in await read_rows(database, "SELECT key FROM idempotency_keys")}


@pytest.mark.parametrize("sealed", [False, True])
async def test_an_answer_is_found_as_it_was_kept(database: Database, *, sealed: bool) -> None:
    answer = await keep(database, body=b"\x00\xff", sealed=sealed)

    async with database.statement() as connection:
        assert await find_answer(connection, SCOPE) == answer
        assert await find_answer(connection, replace(SCOPE, livemode=True)) is None


async def test_every_replay_is_counted_though_many_come_at_once(database: Database) -> None:
    await keep(database)
    await keep(database, replace(SCOPE, key="key-other"))

    async def replay(at: datetime) -> None:
        async with database.statement() as connection:
            await count_replay(connection, SCOPE, at)

    await asyncio.gather(*(replay(NOW) for _ in range(20)))
    await replay(NOW + timedelta(minutes=1))

    query = "SELECT key, replays, last_replayed_at FROM idempotency_keys ORDER BY key"
    assert await read_rows(database, query) == [
        {"key": "key-12345678", "replays": 21, "last_replayed_at": NOW + timedelta(minutes=1)},
        {"key": "key-other", "replays": 0, "last_replayed_at": None},
    ]


async def test_the_uses_of_a_key_are_its_owners_on_all_routes_the_latest_first(database: Database) -> None:
    await keep(database)
    await keep(database, replace(SCOPE, route="POST /api/v1/payments"), created_at=NOW + timedelta(seconds=1))
    await keep(database, replace(SCOPE, route="POST /api/v1/webhook-endpoints"), sealed=True)
    for changes in ({"merchant_id": "mer_other"}, {"livemode": True}, {"key": "key-87654321"}):
        await keep(database, replace(SCOPE, **changes))
    routes = [ROUTE, "POST /api/v1/payments", "POST /api/v1/webhook-endpoints", "POST /api/v1/never"]

    async with database.statement() as connection:
        uses = await list_key_uses(connection, SCOPE.key, merchant_id="mer_test", livemode=False, routes=routes)
        on_one_route = await list_key_uses(
            connection, SCOPE.key, merchant_id="mer_test", livemode=False, routes=[ROUTE]
        )

    assert [(use.route, use.body) for use in uses] == [
        ("POST /api/v1/payments", b'{"id":"ord_1"}'),
        (ROUTE, b'{"id":"ord_1"}'),
        ("POST /api/v1/webhook-endpoints", None),
    ]
    assert on_one_route == [uses[1]]


async def test_only_what_is_older_than_asked_is_forgotten_to_the_millisecond(database: Database) -> None:
    millisecond = timedelta(milliseconds=1)
    for name, created_at in (("older", NOW - millisecond), ("just", NOW), ("newer", NOW + millisecond)):
        await keep(database, replace(SCOPE, key=f"key-{name}"), created_at=created_at)

    async with database.statement() as connection:
        assert await purge_answers(connection, before=NOW) == 1
        assert await purge_answers(connection, before=NOW) == 0

    assert await keys(database) == {"key-just", "key-newer"}


async def test_answers_are_forgotten_some_at_a_time_and_two_who_do_it_share_the_work(database: Database) -> None:
    for number in range(25):
        await keep(database, replace(SCOPE, key=f"key-{number:05}"), created_at=NOW - KEPT_FOR)

    async def purge() -> int:
        async with database.statement() as connection:
            return await purge_answers(connection, before=NOW, most=10)

    assert await purge() == 10
    assert sum(await asyncio.gather(*(purge() for _ in range(4)))) == 15
    assert await keys(database) == set()


async def test_an_answer_that_somebody_is_at_is_passed_over_and_not_waited_for(database: Database) -> None:
    await keep(database)
    async with database.transaction() as busy:
        await count_replay(busy, SCOPE, NOW)

        async with database.statement() as connection:
            assert await asyncio.wait_for(purge_answers(connection, before=NOW + timedelta(days=1)), 2) == 0


async def test_a_key_is_one_transactions_until_its_end_and_then_anybodys(database: Database) -> None:
    others = [replace(SCOPE, key="key-87654321"), replace(SCOPE, livemode=True), replace(SCOPE, route="POST /x")]
    async with database.transaction() as first, database.transaction() as second:
        assert await lock_key(first, SCOPE)
        assert not await lock_key(second, SCOPE)
        assert all([await lock_key(second, scope) for scope in others])

    async with database.transaction() as third:
        assert await lock_key(third, SCOPE)

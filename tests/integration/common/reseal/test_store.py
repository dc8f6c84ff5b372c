"""Sealed values are read page by page, each once, and replaced only if they are still what was read."""

from dataclasses import replace

from tests.support.examples import NOW
from tests.support.records import read_rows, store_payments, write_rows

from gateway_common.db.database import Database
from gateway_common.idempotency.model import IdempotencyScope, StoredAnswer
from gateway_common.idempotency.store import insert_answer
from gateway_common.reseal.model import SealedKind, SealedRow
from gateway_common.reseal.store import list_sealed_rows, save_sealed_row


async def store_answer(database: Database, scope: IdempotencyScope, *, sealed: bool) -> None:
    answer = StoredAnswer(
        scope=scope, fingerprint=b"print", status=201, body=b"body", sealed=sealed, created_at=NOW, request_id="req_1"
    )
    async with database.statement() as connection:
        await insert_answer(connection, answer)


async def walk(database: Database, kind: SealedKind, *, limit: int) -> list[SealedRow]:
    found: list[SealedRow] = []
    after = None
    async with database.statement() as connection:
        while rows := await list_sealed_rows(connection, kind, limit=limit, after=after):
            assert len(rows) <= limit
            found += rows
            after = rows[-1].place
    return found


async def test_every_answer_is_read_once_and_only_the_sealed_ones_with_a_value(database: Database) -> None:
    scopes = [
        IdempotencyScope(merchant_id=merchant_id, livemode=livemode, route=route, key=key)
        for merchant_id in ("mer_B", "mer_a")
        for livemode in (False, True)
        for route in ("POST /a", "POST /b")
        for key in ("Key-one", "key-two")
    ]
    for number, scope in enumerate(scopes):
        await store_answer(database, scope, sealed=number % 3 == 0)

    rows = await walk(database, SealedKind.ANSWER, limit=3)

    assert [IdempotencyScope(**dict(zip(scopes[0].__slots__, row.place, strict=True))) for row in rows] == scopes
    assert [row.sealed for row in rows] == [b"body" if number % 3 == 0 else None for number in range(len(scopes))]
    assert {row.fingerprint for row in rows} == {b"print"}


async def test_a_value_that_changed_or_went_is_not_overwritten(database: Database) -> None:
    (payment,) = await store_payments(database)
    await write_rows(
        database, "INSERT INTO payment_cards VALUES (:id, 'old', CAST('newer' AS bytea), now())", id=payment.id
    )
    (row,) = await walk(database, SealedKind.CARD, limit=3)
    stale = replace(row, sealed=b"older")
    gone = replace(row, place=("pay_gone",))

    async with database.statement() as connection:
        saved = [await save_sealed_row(connection, SealedKind.CARD, each, b"new", "id") for each in (stale, gone, row)]

    assert saved == [False, False, True]
    assert await read_rows(database, "SELECT key_id, sealed FROM payment_cards") == [{"key_id": "id", "sealed": b"new"}]

"""Inserting payments on a real PostgreSQL: payment, event, deliveries and kept answer are one, or none of them is."""

import asyncio
from typing import Any

import pytest
from tests.support.examples import NOW, example_payment
from tests.support.records import created_event, read_payment, read_rows, store_payments, write_rows

from gateway_common.db.database import Database, StatementRefusedError
from gateway_common.db.gather import Gatherer
from gateway_common.errors import NotFoundError
from gateway_common.idempotency.model import IdempotencyScope, StoredAnswer
from gateway_common.ids import PAYMENT, new_id
from gateway_common.payments.create_store import Inserted, Insertion, NewPayment, insert_payments
from gateway_common.payments.store import get_payment, list_payments

ROUTE = "POST /api/v1/payments"


def new_payment(key: str | None = None, *, merchant_id: str = "mer_test", **changes: Any) -> NewPayment:
    payment = example_payment(**({"id": new_id(PAYMENT, NOW), "merchant_id": merchant_id} | changes))
    answer = None
    if key is not None:
        scope = IdempotencyScope(merchant_id=merchant_id, livemode=False, route=ROUTE, key=key)
        answer = StoredAnswer(
            scope=scope,
            fingerprint=b"\x01\xff",
            status=201,
            body=b'{"a":"\xe2\x82\xb9"}',
            created_at=NOW,
            request_id="req_1",
        )
    return NewPayment(payment, created_event(payment), answer)


async def insert(database: Database, *batch: NewPayment) -> list[Inserted]:
    async with database.statement() as connection:
        return await insert_payments(connection, batch)


async def count(database: Database, table: str) -> int:
    [row] = await read_rows(database, f"SELECT count(*) AS count FROM {table}")
    return int(row["count"])


async def test_a_payment_is_stored_with_its_event_and_is_due_and_rung_for(database: Database) -> None:
    new = new_payment(metadata={"note": '₹ \\ " \u2028'}, description="naïve", traceparent="00-trace")

    [inserted] = await insert(database, new)

    assert inserted == Inserted(Insertion.CREATED, 0)
    assert await read_payment(database, new.payment.id) == new.payment
    [event] = await read_rows(database, "SELECT id, type, object_id, body FROM events")
    assert event == {
        "id": new.event.id,
        "type": "payment.created",
        "object_id": new.payment.id,
        "body": new.event.body,
    }
    [work] = await read_rows(database, "SELECT due_at <= now() AS due, rung_at <= now() AS rung FROM payments")
    assert work == {"due": True, "rung": True}


async def test_a_kept_answer_is_stored_to_the_byte(database: Database) -> None:
    new = new_payment("key-12345678")

    await insert(database, new)

    assert new.answer is not None
    [row] = await read_rows(database, "SELECT fingerprint, response_status, response_body FROM idempotency_keys")
    assert row == {"fingerprint": b"\x01\xff", "response_status": 201, "response_body": new.answer.body}


async def test_one_key_twice_in_a_batch_makes_one_payment_and_the_other_is_told_to_wait(database: Database) -> None:
    batch = [new_payment("key-12345678"), new_payment(), new_payment("key-12345678"), new_payment("key-87654321")]

    inserted = await insert(database, *batch)

    made = [new.payment.id for new, each in zip(batch, inserted, strict=True) if each.insertion is Insertion.CREATED]
    assert len(made) == 3
    twins = sorted(each.insertion for each in (inserted[0], inserted[2]))
    assert twins == [Insertion.CREATED, Insertion.KEY_IN_PROGRESS]
    rows = await read_rows(database, "SELECT object_id FROM events")
    assert {row["object_id"] for row in rows} == set(made), "no event without its payment"


async def test_a_key_that_another_transaction_holds_is_in_progress_and_nobody_waits(database: Database) -> None:
    async with database.transaction() as first:
        [made] = await insert_payments(first, [new_payment("key-12345678")])

        [refused] = await asyncio.wait_for(insert(database, new_payment("key-12345678")), 5)

    assert (made.insertion, refused.insertion) == (Insertion.CREATED, Insertion.KEY_IN_PROGRESS)
    assert await count(database, "payments") == await count(database, "events") == 1


async def test_a_key_that_was_answered_is_taken_and_nothing_is_written(database: Database) -> None:
    await insert(database, new_payment("key-12345678"))

    [refused] = await insert(database, new_payment("key-12345678"))

    assert refused.insertion is Insertion.KEY_TAKEN
    assert await count(database, "payments") == await count(database, "events") == 1


async def test_many_at_once_with_one_key_make_one_payment(database: Database) -> None:
    results = await asyncio.gather(*(insert(database, new_payment("key-12345678")) for _ in range(30)))

    insertions = [inserted.insertion for [inserted] in results]
    assert insertions.count(Insertion.CREATED) == 1
    assert await count(database, "payments") == await count(database, "events") == 1


async def test_a_key_belongs_to_its_merchant(database: Database) -> None:
    await write_rows(database, "INSERT INTO merchants VALUES ('mer_other', 'Other', now())")

    inserted = await insert(database, new_payment("key-12345678"), new_payment("key-12345678", merchant_id="mer_other"))

    assert [each.insertion for each in inserted] == [Insertion.CREATED, Insertion.CREATED]


@pytest.mark.parametrize(
    "bad", [{"amount_minor": 0}, {"merchant_id": "mer_nobody"}, {"description": "a \x00 in it"}], ids=str
)
async def test_in_a_gathered_batch_a_bad_payment_harms_only_itself(database: Database, bad: dict[str, Any]) -> None:
    gatherer: Gatherer[NewPayment, Inserted] = Gatherer(lambda batch: insert(database, *batch))
    batch = [new_payment("key-12345678"), new_payment("key-of-bad-one", **bad), new_payment()]

    results = await asyncio.gather(*(gatherer.submit(new) for new in batch), return_exceptions=True)

    assert isinstance(results[1], StatementRefusedError)
    assert [results[0], results[2]] == [Inserted(Insertion.CREATED, 0)] * 2
    assert await count(database, "payments") == await count(database, "events") == 2
    assert await count(database, "idempotency_keys") == 1, "a refused request keeps no answer"


async def test_a_payment_is_found_by_its_own_merchant_in_its_own_mode_only(database: Database) -> None:
    [payment] = await store_payments(database)

    async with database.statement() as connection:
        assert await get_payment(connection, payment.id, merchant_id="mer_test", livemode=False) == payment
        for merchant_id, livemode in (("mer_other", False), ("mer_test", True)):
            with pytest.raises(NotFoundError):
                await get_payment(connection, payment.id, merchant_id=merchant_id, livemode=livemode)
            assert await list_payments(connection, merchant_id=merchant_id, livemode=livemode, limit=10) == []


async def test_pages_of_a_list_hold_every_payment_once_newest_first(database: Database) -> None:
    ids = sorted((payment.id for payment in await store_payments(database, 7)), reverse=True)

    found: list[str] = []
    async with database.statement() as connection:
        while page := await list_payments(
            connection, merchant_id="mer_test", livemode=False, limit=3, starting_after=found[-1] if found else None
        ):
            found += [payment.id for payment in page]

    assert found == ids

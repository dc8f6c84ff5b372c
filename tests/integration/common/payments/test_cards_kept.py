"""Sealed cards on a real PostgreSQL: kept while their payment is under way, gone in the statement that ends that."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.examples import NOW, example_payment
from tests.support.records import created_event, read_payment, read_rows, write_rows

from gateway_common.db.database import Database, StatementRefusedError
from gateway_common.events.model import EventType
from gateway_common.idempotency.model import IdempotencyScope, StoredAnswer
from gateway_common.ids import PAYMENT, new_id
from gateway_common.payments import endings, model
from gateway_common.payments.create_store import Insertion, NewPayment, SealedCard, insert_payments
from gateway_common.payments.model import Payment, PaymentMethod, PaymentStatus
from gateway_common.payments.queue_store import claim_payments, record_payments
from gateway_common.payments.store import PaymentChange, find_sealed_card, save_payment

CARD = SealedCard("0a1b2c3d", b"\x00\xffsealed")


def card_payment(key: str | None = None) -> NewPayment:
    details = {"brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}
    payment = example_payment(
        id=new_id(PAYMENT, NOW), method=PaymentMethod.CARD, method_details=details, vpa=None, order_id=None
    )
    answer = None
    if key is not None:
        scope = IdempotencyScope(merchant_id="mer_test", livemode=False, route="POST /api/v1/payments", key=key)
        answer = StoredAnswer(scope=scope, fingerprint=b"\x01", status=201, body=b"{}", created_at=NOW, request_id="r")
    return NewPayment(payment, created_event(payment), answer, CARD)


async def store(database: Database) -> Payment:
    new = card_payment()
    async with database.statement() as connection:
        [inserted] = await insert_payments(connection, [new])
    assert inserted.insertion is Insertion.CREATED
    return new.payment


async def claim(database: Database, payment: Payment) -> Payment:
    after = model.move(replace(payment, attempt=1, operation_attempt=1), PaymentStatus.PROCESSING, NOW)
    async with database.statement() as connection:
        [saved] = await claim_payments(connection, [PaymentChange(before=payment, after=after, worker_id="wrk_1")])
    assert saved.applied
    return after


async def record(database: Database, before: Payment, after: Payment) -> bool:
    async with database.statement() as connection:
        [saved] = await record_payments(connection, [PaymentChange(before=before, after=after)])
    return saved.applied


async def sealed_card(database: Database, payment_id: str) -> bytes | None:
    async with database.statement() as connection:
        return await find_sealed_card(connection, payment_id)


async def test_a_card_is_kept_to_the_byte_with_the_master_key_that_sealed_it(database: Database) -> None:
    payment = await store(database)

    assert await sealed_card(database, payment.id) == CARD.content
    assert await read_rows(database, "SELECT payment_id, key_id, created_at FROM payment_cards") == [
        {"payment_id": payment.id, "key_id": "0a1b2c3d", "created_at": NOW}
    ]
    assert (await read_payment(database, payment.id)).method_details["last4"] == "4242"


async def test_a_card_stays_while_its_payment_is_with_the_provider_and_while_no_answer_is_known(
    database: Database,
) -> None:
    processing = await claim(database, await store(database))
    assert await sealed_card(database, processing.id) == CARD.content

    assert await record(database, processing, processing)

    assert await sealed_card(database, processing.id) == CARD.content


@pytest.mark.parametrize("status", [PaymentStatus.SUCCESS, PaymentStatus.FAILED, PaymentStatus.EXPIRED])
async def test_a_card_is_gone_with_every_end_of_its_authorization_and_no_other_card_is(
    database: Database, status: PaymentStatus
) -> None:
    other = await store(database)
    processing = await claim(database, await store(database))
    after = {
        PaymentStatus.SUCCESS: lambda: model.authorize(processing, NOW, authorization_ttl=timedelta(days=7)),
        PaymentStatus.FAILED: lambda: model.decline(processing, NOW, code="payment_declined", message="No."),
        PaymentStatus.EXPIRED: lambda: endings.expire(processing, NOW),
    }[status]()

    assert await record(database, processing, after)

    assert await sealed_card(database, processing.id) is None
    assert await sealed_card(database, other.id) == CARD.content


async def test_a_card_is_gone_when_its_payment_is_cancelled_before_a_processor_took_it(database: Database) -> None:
    payment = await store(database)
    after = endings.decide_cancel(payment, NOW)
    assert after is not None
    event = created_event(after, EventType.PAYMENT_CANCELLED)

    async with database.transaction() as connection:
        await save_payment(connection, PaymentChange(before=payment, after=after, events=(event,)))

    assert await sealed_card(database, payment.id) is None


async def test_an_end_that_comes_too_late_to_be_recorded_deletes_no_card(database: Database) -> None:
    payment = await store(database)
    processing = await claim(database, payment)
    stale = replace(processing, attempt=0)

    assert not await record(database, stale, model.decline(stale, NOW, code="payment_declined", message="No."))

    assert await sealed_card(database, payment.id) == CARD.content


async def test_an_end_that_is_refused_keeps_the_card_with_the_payment(database: Database) -> None:
    processing = await claim(database, await store(database))
    broken = replace(model.decline(processing, NOW, code="x", message="No."), amount_captured_minor=-1)

    with pytest.raises(StatementRefusedError):
        await record(database, processing, broken)

    assert await sealed_card(database, processing.id) == CARD.content


async def test_a_repeated_request_keeps_no_second_card(database: Database) -> None:
    for _ in range(2):
        async with database.statement() as connection:
            await insert_payments(connection, [card_payment("key-12345678"), card_payment("key-12345678")])

    [card] = await read_rows(database, "SELECT payment_id FROM payment_cards")
    assert await read_rows(database, "SELECT id AS payment_id FROM payments") == [card]


async def test_no_card_is_left_without_its_payment_whoever_writes(database: Database, owner: Database) -> None:
    payment = await store(database)

    for statement in (
        f"DELETE FROM payments WHERE id = '{payment.id}'",
        "INSERT INTO payment_cards VALUES ('pay_nobody', 'k', '', now())",
    ):
        with pytest.raises(StatementRefusedError, match="payment_cards_payment_id_fkey"):
            await write_rows(owner, statement)

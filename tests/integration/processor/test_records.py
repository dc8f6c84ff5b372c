"""What is recorded beside a payment: its order, the money, and each provider answer once."""

from typing import Any

import pytest
from tests.support.merchants import Merchant
from tests.support.processing import new_processor, work_off
from tests.support.providers import ScriptedProvider
from tests.support.proxy import line_to
from tests.support.records import (
    make_due,
    read_answers,
    read_balances,
    read_lease,
    read_order,
    read_payment,
    read_refunds,
    read_rows,
    store_order,
)

from gateway_common.db.database import Database
from gateway_common.orders.model import OrderStatus
from gateway_common.payments.model import PaymentStatus
from gateway_common.queue.ringer import Ringer
from gateway_common.settings import normalize_database_url
from gateway_processor.providers.base import Approved, Declined, Missing, Outcome, Pending, Unknown

NO = Declined("refused", "No.")


async def types_in_order(database: Database) -> list[str]:
    rows = await read_rows(database, "SELECT type FROM events ORDER BY position")
    return [row["type"] for row in rows]


async def test_an_order_is_paid_with_its_payment_in_one_transaction(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    order = await store_order(database, reference="cart-7")
    payment_id = await merchant.create(order_id="cart-7")

    await work_off(new_processor(database, ringer), database, payment_id)

    paid = await read_order(database, order.id)
    assert (paid.status, paid.payment_id, paid.attempts, paid.version) == (OrderStatus.PAID, payment_id, 1, 3)
    assert await types_in_order(database) == [
        "payment.created", "payment.processing", "payment.success", "order.paid",
    ]  # fmt: skip
    query = """
    SELECT DISTINCT xmin::text FROM payments UNION SELECT xmin::text FROM orders
    UNION SELECT xmin::text FROM events WHERE type IN ('payment.success', 'order.paid')
    UNION SELECT xmin::text FROM provider_answers
    """
    assert len(await read_rows(database, query)) == 1


async def test_an_order_whose_payment_failed_is_free_and_the_next_one_pays_it(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    order = await store_order(database)
    first = await merchant.create(order_id=order.id, vpa="failure@upi")
    await work_off(new_processor(database, ringer), database, first)

    freed = await read_order(database, order.id)
    assert (freed.status, freed.payment_id, freed.attempts) == (OrderStatus.ATTEMPTED, None, 1)
    second = await merchant.create(order_id=order.id)
    await work_off(new_processor(database, ringer), database, second)

    paid = await read_order(database, order.id)
    assert (paid.status, paid.payment_id, paid.attempts) == (OrderStatus.PAID, second, 2)
    assert (await types_in_order(database)).count("order.paid") == 1


async def test_an_order_stays_taken_while_no_answer_is_known(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    order = await store_order(database)
    payment_id = await merchant.create(order_id=order.id)

    await new_processor(database, ringer, ScriptedProvider(Unknown("no answer"))).process(payment_id)

    assert (await read_order(database, order.id)).payment_id == payment_id


async def test_a_capture_moves_the_money_when_the_provider_has_said_yes(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create()
    processor = new_processor(database, ringer, ScriptedProvider(Approved(), Unknown("no answer"), Approved()))
    await processor.process(payment_id)
    await merchant.capture(payment_id, 30_000)
    await processor.process(payment_id)
    assert await read_balances(database) == {}

    await make_due(database, payment_id)
    await processor.process(payment_id)

    assert await read_balances(database) == {"provider_clearing": -30_000, "merchant_balance": 30_000}


async def test_a_capture_that_fails_releases_what_its_waiting_refunds_held(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create()
    processor = new_processor(database, ringer, ScriptedProvider(Approved(), NO))
    await processor.process(payment_id)
    await merchant.capture(payment_id)
    for amount in (1_000, 2_000):
        await merchant.refund(payment_id, amount)
    assert await read_balances(database) == {"merchant_balance": -3_000, "refund_hold": 3_000}

    await processor.process(payment_id)

    assert await read_balances(database) == {}
    assert await read_refunds(database, payment_id) == [("failed", 1_000), ("failed", 2_000)]
    kinds = await read_rows(database, "SELECT kind, count(*) AS count FROM ledger_entries GROUP BY kind ORDER BY kind")
    assert kinds == [{"kind": "refund_hold", "count": 4}, {"kind": "refund_release", "count": 4}]
    assert (await types_in_order(database)).count("refund.failed") == 2


async def test_refunds_leave_the_ledger_as_their_ends_say(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create(capture_method="automatic")
    processor = new_processor(database, ringer)
    await work_off(processor, database, payment_id)
    for amount in (1_000, 2_013, 500):
        await merchant.refund(payment_id, amount)

    await work_off(processor, database, payment_id)

    assert sorted(await read_refunds(database, payment_id)) == [
        ("failed", 2_013), ("processed", 500), ("processed", 1_000),
    ]  # fmt: skip
    assert await read_balances(database) == {"provider_clearing": -48_500, "merchant_balance": 48_500}


async def test_each_lease_has_its_answer_or_says_that_there_was_none(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create()
    answers: list[Outcome | Missing] = [
        Unknown("no answer"), Pending(), Missing(), NO,
    ]  # fmt: skip
    processor = new_processor(database, ringer, ScriptedProvider(*answers))

    for _ in range(3):
        await processor.process(payment_id)
        await make_due(database, payment_id)

    assert await read_answers(database, payment_id) == [
        (1, "authorize", "unknown", None),
        (2, "authorize", "pending", None),
        (3, "authorize", "declined", "refused"),
    ]
    [row] = await read_rows(
        database, "SELECT message, provider, answered_at >= asked_at AS told FROM provider_answers WHERE attempt = 1"
    )
    assert row == {"message": "no answer", "provider": "simulator", "told": True}


async def test_an_answer_about_a_refund_names_it(database: Database, ringer: Ringer, merchant: Merchant) -> None:
    payment_id = await merchant.create(capture_method="automatic")
    processor = new_processor(database, ringer)
    await work_off(processor, database, payment_id)
    refund_id = await merchant.refund(payment_id, 1_000)

    await work_off(processor, database, payment_id)

    rows = await read_rows(database, "SELECT operation, refund_id FROM provider_answers ORDER BY attempt")
    assert [(row["operation"], row["refund_id"]) for row in rows] == [
        ("authorize", None), ("capture", None), ("refund", refund_id),
    ]  # fmt: skip


@pytest.mark.parametrize("outcome", [Unknown("no answer"), Pending(check_in_seconds=30.0)])
@pytest.mark.parametrize("operation", ["authorize", "refund"])
async def test_an_outcome_that_decides_nothing_is_recorded_once_though_the_commit_was_not_heard_of(
    database: Database, database_url: str, ringer: Ringer, merchant: Merchant, *, operation: str, outcome: Outcome
) -> None:
    payment_id = await merchant.create(capture_method="automatic")
    if operation == "refund":
        await work_off(new_processor(database, ringer), database, payment_id)
        await merchant.refund(payment_id, 1_000)
    async with line_to(database_url) as (line, near_url):
        far = Database(normalize_database_url(near_url), application_name="test-far", pool_size=2)
        processor = new_processor(far, ringer, ScriptedProvider(outcome), record_for_seconds=5.0)
        claimed = await processor.claim(payment_id)
        assert claimed is not None
        answer = await processor.call(claimed)
        line.lose_answer_to(b"UPDATE payments SET")

        await processor.record(claimed, answer)
        await far.close()

    assert line.lost_answers == 1
    assert [each[1:3] for each in await read_answers(database, payment_id)][-1] == (
        operation, type(outcome).__name__.lower(),
    )  # fmt: skip
    lease: dict[str, Any] = await read_lease(database, payment_id)
    assert lease["worker_id"] is None
    assert lease["due_in_seconds"] > 0
    payment = await read_payment(database, payment_id)
    assert payment.status is (PaymentStatus.SUCCESS if operation == "refund" else PaymentStatus.PROCESSING)

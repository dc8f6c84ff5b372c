"""New payments of an order on a real PostgreSQL: whose order it is, that it fits, and that it takes one at a time."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.support.examples import NOW, example_order, example_payment
from tests.support.records import created_event, read_order, read_payment, read_rows, store_order, write_rows

from gateway_common.db.database import Database
from gateway_common.db.gather import Gatherer
from gateway_common.idempotency.model import IdempotencyScope, StoredAnswer
from gateway_common.ids import PAYMENT, new_id
from gateway_common.orders.model import Order, OrderStatus, attempt_order, release_order
from gateway_common.orders.store import lock_order, save_order
from gateway_common.payments.create_store import Inserted, Insertion, NewPayment, insert_payments
from gateway_common.payments.endings import decide_cancel
from gateway_common.payments.model import PaymentStatus
from gateway_common.payments.store import PaymentChange, save_payment

KEY = "key-12345678"
REFUSED = Inserted(Insertion.ORDER_REFUSED, 0)
CREATED = Inserted(Insertion.CREATED, 0)


def payment_of(name: str | None, *, key: str | None = None, **changes: Any) -> NewPayment:
    """A new payment that names an order, with its event and, with a key, the answer to keep."""
    payment = example_payment(**({"id": new_id(PAYMENT, NOW), "order_id": name} | changes))
    answer = None
    if key is not None:
        scope = IdempotencyScope(merchant_id="mer_test", livemode=False, route="POST /api/v1/payments", key=key)
        answer = StoredAnswer(
            scope=scope, fingerprint=b"\x01", status=201, body=b"{}", created_at=NOW, request_id="req_1"
        )
    return NewPayment(payment, created_event(payment), answer)


async def insert(database: Database, *batch: NewPayment) -> list[Inserted]:
    async with database.statement() as connection:
        return await insert_payments(connection, batch)


async def release(database: Database, order: Order) -> None:
    """Free the order, as when its payment has failed."""
    failed = "UPDATE payments SET status = 'failed' WHERE bound_order_id = :id AND status IN ('pending', 'processing')"
    await write_rows(database, failed, id=order.id)
    async with database.transaction() as connection:
        locked = await lock_order(connection, order.id)
        released = release_order(locked, locked.payment_id or "", NOW)
        assert released is not None
        await save_order(connection, released)


async def count_payments(database: Database) -> int:
    [row] = await read_rows(database, "SELECT count(*) AS count FROM payments")
    return int(row["count"])


@pytest.mark.parametrize("by", ["id", "reference"])
async def test_a_payment_takes_the_order_it_names_as_the_rule_says(database: Database, by: str) -> None:
    order = await store_order(database, reference="cart-7")
    new = payment_of(getattr(order, by))

    assert await insert(database, new) == [CREATED]

    payment = await read_payment(database, new.payment.id)
    assert (payment.order_id, payment.bound_order_id) == (getattr(order, by), order.id)
    assert await read_order(database, order.id) == attempt_order(order, payment.id, NOW)


async def test_a_name_that_no_order_has_is_the_merchants_own_and_binds_nothing(database: Database) -> None:
    order = await store_order(database, reference="cart-7")
    first, second = payment_of("cart-8"), payment_of("cart-8")

    assert await insert(database, first) + await insert(database, second) == [CREATED, CREATED]

    payment = await read_payment(database, first.payment.id)
    assert (payment.order_id, payment.bound_order_id) == ("cart-8", None)
    assert await read_order(database, order.id) == order


@pytest.mark.parametrize("changes", [{"merchant_id": "mer_other"}, {"livemode": True}])
@pytest.mark.parametrize("by", ["id", "reference"])
async def test_an_order_of_another_merchant_or_mode_is_not_taken_and_not_told_of(
    database: Database, by: str, changes: dict[str, Any]
) -> None:
    await write_rows(database, "INSERT INTO merchants VALUES ('mer_other', 'Other', now())")
    order = await store_order(database, reference="cart-7", amount_minor=1, **changes)
    new = payment_of(getattr(order, by))

    assert await insert(database, new) == [CREATED]

    assert (await read_payment(database, new.payment.id)).bound_order_id is None
    assert await read_order(database, order.id) == order


async def test_an_id_goes_before_a_reference_that_looks_like_one(database: Database) -> None:
    order = await store_order(database)
    await store_order(database, reference=order.id, amount_minor=1)
    new = payment_of(order.id)

    assert await insert(database, new) == [CREATED]

    assert (await read_payment(database, new.payment.id)).bound_order_id == order.id


@pytest.mark.parametrize("changes", [{"amount_minor": 49_999}, {"amount_minor": 50_001}, {"currency": "USD"}])
async def test_a_payment_that_is_not_the_orders_is_refused_and_nothing_is_written(
    database: Database, changes: dict[str, Any]
) -> None:
    order = await store_order(database)

    assert await insert(database, payment_of(order.id, key=KEY, **changes)) == [REFUSED]

    assert await read_order(database, order.id) == order
    for table in ("payments", "events", "idempotency_keys"):
        assert await read_rows(database, f"SELECT FROM {table}") == []


@pytest.mark.parametrize("status", [OrderStatus.ATTEMPTED, OrderStatus.PAID])
async def test_an_order_that_has_a_payment_under_way_or_is_paid_takes_no_other(
    database: Database, status: OrderStatus
) -> None:
    order = await store_order(database, status=status, payment_id="pay_1", attempts=1)

    assert await insert(database, payment_of(order.id)) == [REFUSED]

    assert await read_order(database, order.id) == order
    assert await count_payments(database) == 0


async def test_an_order_whose_payment_failed_takes_another(database: Database) -> None:
    order = await store_order(database)
    await insert(database, payment_of(order.id))
    await release(database, order)
    new = payment_of(order.id)

    assert await insert(database, new) == [CREATED]

    taken = await read_order(database, order.id)
    assert (taken.status, taken.payment_id, taken.attempts) == (OrderStatus.ATTEMPTED, new.payment.id, 2)


async def test_of_two_payments_of_one_order_in_a_batch_one_is_taken_and_others_are_not_harmed(
    database: Database,
) -> None:
    order, other = await store_order(database, reference="cart-7"), await store_order(database)
    batch = [payment_of(order.id), payment_of("cart-7"), payment_of(other.id), payment_of(None), payment_of("cart-7")]

    inserted = [each.insertion for each in await insert(database, *batch)]

    assert sorted(inserted) == sorted([Insertion.CREATED] * 3 + [Insertion.ORDER_REFUSED] * 2)
    assert (inserted[2], inserted[3]) == (Insertion.CREATED, Insertion.CREATED)
    [row] = await read_rows(database, "SELECT id FROM payments WHERE bound_order_id = :id", id=order.id)
    assert (await read_order(database, order.id)).payment_id == row["id"]
    assert len(await read_rows(database, "SELECT FROM events")) == 3, "no event without its payment"


async def test_a_payment_of_the_wrong_amount_does_not_stand_in_the_way_of_the_right_one_in_its_batch(
    database: Database,
) -> None:
    order = await store_order(database)
    wrong, right = payment_of(order.id, amount_minor=1), payment_of(order.id)
    wrong, right = (
        replace(new, payment=replace(new.payment, id=payment_id))
        for new, payment_id in ((wrong, "pay_0first"), (right, "pay_1second"))
    )

    assert await insert(database, wrong, right) == [REFUSED, CREATED]

    assert (await read_order(database, order.id)).payment_id == "pay_1second"


async def test_a_repeated_request_does_not_stand_in_the_way_of_a_new_one_in_its_batch(database: Database) -> None:
    order = await store_order(database)
    await insert(database, payment_of(order.id, key=KEY))
    await release(database, order)
    again, new = payment_of(order.id, key=KEY), payment_of(order.id, key="key-87654321")
    again, new = (
        replace(each, payment=replace(each.payment, id=payment_id))
        for each, payment_id in ((again, "pay_0first"), (new, "pay_1second"))
    )

    repeated, made = await insert(database, again, new)

    assert repeated.insertion in {Insertion.KEY_TAKEN, Insertion.ORDER_REFUSED}
    assert made == CREATED
    assert (await read_order(database, order.id)).payment_id == "pay_1second"


async def test_a_repeated_request_makes_nothing_whatever_became_of_its_order(database: Database) -> None:
    order = await store_order(database)
    await insert(database, payment_of(order.id, key=KEY))

    [busy] = await insert(database, payment_of(order.id, key=KEY))
    await release(database, order)
    free = await read_order(database, order.id)
    [again] = await insert(database, payment_of(order.id, key=KEY))

    assert busy.insertion is Insertion.ORDER_REFUSED, "whose key has to be looked for first"
    assert again.insertion is Insertion.KEY_TAKEN
    assert await read_order(database, order.id) == free
    assert await count_payments(database) == 1


async def test_many_at_once_of_one_order_on_several_connections_make_one_payment(database: Database) -> None:
    order = await store_order(database, reference="cart-7")

    results = await asyncio.gather(
        *(insert(database, payment_of(order.id if number % 2 else "cart-7")) for number in range(30))
    )

    insertions = [inserted.insertion for [inserted] in results]
    assert insertions.count(Insertion.CREATED) == 1
    assert insertions.count(Insertion.ORDER_REFUSED) == 29
    assert await count_payments(database) == 1
    assert (await read_order(database, order.id)).attempts == 1


async def test_batches_that_name_the_same_orders_in_any_order_do_not_wait_for_each_other_in_a_ring(
    database: Database,
) -> None:
    orders = [await store_order(database) for _ in range(12)]
    gatherers: list[Gatherer[NewPayment, Inserted]] = [
        Gatherer(lambda batch: insert(database, *batch)) for _ in range(4)
    ]

    results = await asyncio.gather(
        *(
            gatherer.submit(payment_of(order.id))
            for turn, gatherer in enumerate(gatherers)
            for order in orders[turn * 3 :] + orders[: turn * 3]
        )
    )

    assert [inserted.insertion for inserted in results].count(Insertion.CREATED) == len(orders)
    assert await count_payments(database) == len(orders)


async def test_an_order_that_somebody_holds_makes_nobody_wait_and_is_free_a_moment_later(database: Database) -> None:
    order = await store_order(database)
    first, second = payment_of(order.id), payment_of(order.id)
    await insert(database, first)
    before = await read_payment(database, first.payment.id)
    cancelled = decide_cancel(before, NOW)
    assert cancelled is not None

    async with database.transaction() as connection:
        await save_payment(connection, PaymentChange(before=before, after=cancelled))
        freed = release_order(await lock_order(connection, order.id), before.id, NOW)
        assert freed is not None
        await save_order(connection, freed)
        async with asyncio.timeout(1):
            # The others of its batch would wait along.
            busy, other = await insert(database, second, payment_of("cart-of-another"))
        assert (busy.insertion, other.insertion) == (Insertion.ORDER_REFUSED, Insertion.CREATED)

    assert await insert(database, second) == [CREATED]
    assert (await read_payment(database, second.payment.id)).status is PaymentStatus.PENDING
    taken = await read_order(database, order.id)
    assert (taken.payment_id, taken.attempts) == (second.payment.id, 2)


async def test_two_open_payments_of_one_order_are_refused_whoever_writes(database: Database) -> None:
    order = await store_order(database)
    await insert(database, payment_of(order.id))
    await write_rows(database, "UPDATE orders SET payment_id = NULL, status = 'created'")

    with pytest.raises(Exception, match="payments_order_open"):
        await insert(database, payment_of(order.id))

    assert await count_payments(database) == 1


@pytest.mark.parametrize("change", ["status = 'paid', payment_id = NULL", "status = 'perhaps'", "amount_minor = 0"])
async def test_an_order_can_not_be_made_wrong_by_hand(database: Database, change: str) -> None:
    order = await store_order(database, payment_id="pay_1", status=OrderStatus.ATTEMPTED)

    with pytest.raises(Exception, match="orders_"):
        await write_rows(database, f"UPDATE orders SET {change}")

    assert await read_order(database, order.id) == order


async def test_a_reference_is_an_orders_own_per_merchant_and_mode(database: Database) -> None:
    await write_rows(database, "INSERT INTO merchants VALUES ('mer_other', 'Other', now())")
    await store_order(database, reference="cart-7")

    await store_order(database, reference="cart-7", livemode=True)
    await store_order(database, reference="cart-7", merchant_id="mer_other")
    with pytest.raises(AssertionError):
        await store_order(database, reference="cart-7")

    assert example_order().reference is None
    assert (await store_order(database)).id != (await store_order(database)).id, "many have none"

"""Lists of payments on a real PostgreSQL: each filter, all of them together, and times to the millisecond."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.examples import NOW, example_payment
from tests.support.records import created_event, store_order, store_payments, write_rows

from gateway_common.db.database import Database
from gateway_common.ids import PAYMENT, new_id
from gateway_common.payments.create_store import NewPayment, insert_payments
from gateway_common.payments.model import PaymentMethod, PaymentStatus
from gateway_common.payments.store import list_payments

MILLISECOND = timedelta(milliseconds=1)


async def listed(database: Database, **filters: Any) -> list[str]:
    async with database.statement() as connection:
        scope: dict[str, Any] = {"merchant_id": "mer_test", "livemode": False, "limit": 100}
        return [payment.id for payment in await list_payments(connection, **scope | filters)]


async def store_at(database: Database, *moments: datetime) -> list[str]:
    payments = [example_payment(id=new_id(PAYMENT, moment), created_at=moment, order_id=None) for moment in moments]
    async with database.statement() as connection:
        await insert_payments(connection, [NewPayment(each, created_event(each), None) for each in payments])
    return [payment.id for payment in payments]


@pytest.mark.parametrize("status", list(PaymentStatus))
async def test_each_status_finds_its_own(database: Database, status: PaymentStatus) -> None:
    ids = {each: (await store_payments(database))[0].id for each in PaymentStatus}
    for each, payment_id in ids.items():
        await write_rows(database, "UPDATE payments SET status = :status WHERE id = :id", status=each, id=payment_id)

    assert await listed(database, status=status) == [ids[status]]


@pytest.mark.parametrize("method", list(PaymentMethod))
async def test_each_method_finds_its_own(database: Database, method: PaymentMethod) -> None:
    ids = {each: (await store_payments(database, method=each))[0].id for each in PaymentMethod}

    assert await listed(database, method=method) == [ids[method]]


async def test_an_orders_payments_are_found_however_each_named_it(database: Database) -> None:
    order = await store_order(database, reference="cart-7")
    ids = []
    for name in (order.id, "cart-7"):
        ids.append((await store_payments(database, order_id=name))[0].id)
        await write_rows(database, "UPDATE payments SET status = 'failed'")
        await write_rows(database, "UPDATE orders SET payment_id = NULL")
    [elsewhere] = await store_payments(database, order_id="cart-8")

    for name in (order.id, "cart-7"):
        assert await listed(database, order_id=name, bound_order_id=order.id) == sorted(ids, reverse=True)
    assert await listed(database, order_id="cart-7") == [ids[1]]
    assert await listed(database, order_id="cart-8") == [elsewhere.id]


async def test_created_from_is_within_the_range_and_created_to_is_not_to_the_millisecond(database: Database) -> None:
    moments = [NOW + MILLISECOND * number for number in range(5)]
    ids = await store_at(database, *moments)

    for first in range(5):
        for last in range(first, 5):
            found = await listed(database, created_from=moments[first], created_to=moments[last])

            assert found == sorted(ids[first:last], reverse=True)


async def test_a_range_finer_than_a_millisecond_is_rounded_to_ids_and_loses_none(database: Database) -> None:
    [payment_id] = await store_at(database, NOW)
    microsecond = timedelta(microseconds=1)

    assert await listed(database, created_from=NOW - microsecond) == [payment_id]
    assert await listed(database, created_from=NOW + microsecond) == []
    assert await listed(database, created_to=NOW + microsecond) == [payment_id]
    assert await listed(database, created_to=NOW) == []


async def test_filters_narrow_each_other_and_pages_keep_to_them(database: Database) -> None:
    ids = await store_at(database, *(NOW + MILLISECOND * number for number in range(10)))
    for number, payment_id in enumerate(ids):
        changes = {"status": "failed" if number % 2 else "pending", "method": "card" if number < 6 else "upi"}
        await write_rows(
            database, "UPDATE payments SET status = :status, method = :method WHERE id = :id", id=payment_id, **changes
        )
    filters: dict[str, Any] = {
        "status": PaymentStatus.FAILED, "method": PaymentMethod.CARD, "created_from": NOW + MILLISECOND * 2,
    }  # fmt: skip

    assert await listed(database, **filters) == [ids[5], ids[3]]
    assert await listed(database, **filters, limit=1) == [ids[5]]
    assert await listed(database, **filters, limit=1, starting_after=ids[5]) == [ids[3]]
    assert await listed(database, **filters, starting_after=ids[3]) == []

"""Orders on a real PostgreSQL: found by either name by their own merchant only, one a reference, listed in pages."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.support.examples import NOW, example_order
from tests.support.records import read_order, store_order, write_rows

from gateway_common.db.database import Database
from gateway_common.errors import NotFoundError
from gateway_common.ids import ORDER, new_id
from gateway_common.orders.model import Order, OrderStatus, attempt_order
from gateway_common.orders.store import find_order, get_order, insert_order, list_orders, lock_order, save_order

MINE: dict[str, Any] = {"merchant_id": "mer_test", "livemode": False}


@pytest.fixture(autouse=True)
async def other_merchant(database: Database) -> None:
    await write_rows(database, "INSERT INTO merchants VALUES ('mer_other', 'Other', now())")


async def found(database: Database, name: str, **scope: Any) -> Order | None:
    async with database.statement() as connection:
        return await find_order(connection, name, **MINE | scope)


async def listed(database: Database, **filters: Any) -> list[str]:
    async with database.statement() as connection:
        return [order.id for order in await list_orders(connection, **MINE | {"limit": 100} | filters)]


async def test_an_order_reads_back_as_it_was_inserted_by_either_name(database: Database) -> None:
    order = await store_order(database, reference="cart-7", description="naïve ₹", metadata={"note": '\\ " \u2028'})

    assert await found(database, order.id) == order
    assert await found(database, "cart-7") == order
    assert await found(database, "cart-8") is None


@pytest.mark.parametrize("scope", [{"merchant_id": "mer_other"}, {"livemode": True}])
async def test_an_order_is_its_merchants_and_its_modes_own(database: Database, scope: dict[str, Any]) -> None:
    order = await store_order(database, reference="cart-7")

    for name in (order.id, "cart-7"):
        assert await found(database, name, **scope) is None
        async with database.statement() as connection:
            with pytest.raises(NotFoundError):
                await get_order(connection, name, **MINE | scope)
    assert await listed(database, **scope) == []


async def test_an_id_goes_before_a_reference_that_looks_like_one(database: Database) -> None:
    order = await store_order(database)
    imposter = await store_order(database, reference=order.id)

    assert await found(database, order.id) == order
    assert await found(database, imposter.id) == imposter


async def test_of_many_orders_at_once_with_one_reference_one_is_made(database: Database) -> None:
    async def insert() -> bool:
        async with database.statement() as connection:
            return await insert_order(connection, example_order(id=new_id(ORDER, NOW), reference="cart-7"))

    assert sorted(await asyncio.gather(*(insert() for _ in range(20)))) == [False] * 19 + [True]
    assert len(await listed(database)) == 1


async def test_a_change_is_written_and_leaves_what_never_changes(database: Database) -> None:
    order = await store_order(database, reference="cart-7")
    changed = attempt_order(order, "pay_1", NOW + timedelta(seconds=1))

    async with database.transaction() as connection:
        await lock_order(connection, order.id)
        await save_order(connection, changed)

    assert await read_order(database, order.id) == changed
    assert changed.status is OrderStatus.ATTEMPTED


async def test_an_order_that_is_locked_is_waited_for_and_then_seen_as_it_was_left(database: Database) -> None:
    order = await store_order(database)
    async with database.transaction() as first:
        await save_order(first, attempt_order(await lock_order(first, order.id), "pay_1", NOW))
        reading = asyncio.create_task(read_order(database, order.id))
        await asyncio.sleep(0.1)
        assert not reading.done()

    assert (await reading).payment_id == "pay_1"


async def test_pages_hold_every_order_once_newest_first_and_times_are_exact(database: Database) -> None:
    moments = [NOW + timedelta(milliseconds=number) for number in range(7)]
    ids = [(await store_order(database, id=new_id(ORDER, moment))).id for moment in moments]

    pages: list[str] = []
    while page := await listed(database, limit=3, starting_after=pages[-1] if pages else None):
        pages += page

    assert pages == ids[::-1]
    assert await listed(database, created_from=moments[2], created_to=moments[5]) == ids[2:5][::-1]

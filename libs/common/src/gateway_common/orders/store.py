"""Every SQL statement of orders, but for the hot create of a payment, which takes its order in its own statement."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from gateway_common.db.database import Connection
from gateway_common.db.pages import made_between, newest_page
from gateway_common.errors import NotFoundError
from gateway_common.ids import ORDER
from gateway_common.orders.model import Order, OrderStatus
from gateway_common.orders.tables import orders

_COLUMNS: Final = [orders.c[field.name] for field in fields(Order)]


async def insert_order(connection: Connection, order: Order) -> bool:
    """Insert the order; False if the merchant has one with this reference."""
    query = insert(orders).values(asdict(order)).on_conflict_do_nothing().returning(orders.c.id)
    return await connection.scalar(query) is not None


async def save_order(connection: Connection, order: Order) -> None:
    """Write an order that the caller's transaction has locked."""
    values = {
        "status": order.status,
        "payment_id": order.payment_id,
        "attempts": order.attempts,
        "version": order.version,
        "updated_at": order.updated_at,
    }
    await connection.execute(update(orders).where(orders.c.id == order.id).values(values))


async def find_order(connection: Connection, name: str, *, merchant_id: str, livemode: bool) -> Order | None:
    """The merchant's order by its id or by the merchant's reference; an id goes first."""
    query = (
        select(*_COLUMNS)
        .where(
            orders.c.merchant_id == merchant_id,
            orders.c.livemode == livemode,
            or_(orders.c.id == name, orders.c.reference == name),
        )
        .order_by(orders.c.id == name)
    )
    rows = (await connection.execute(query)).all()
    return _order(rows[-1]) if rows else None


async def get_order(connection: Connection, name: str, *, merchant_id: str, livemode: bool) -> Order:
    """The merchant's order by its id or reference; NotFoundError."""
    order = await find_order(connection, name, merchant_id=merchant_id, livemode=livemode)
    if order is None:
        raise NotFoundError("There is no such order.")
    return order


async def lock_order(connection: Connection, order_id: str) -> Order:
    """The order, whoever's it is, locked until the transaction ends. Lock its payment first."""
    query = select(*_COLUMNS).where(orders.c.id == order_id).with_for_update(key_share=True)
    return _order((await connection.execute(query)).one())


async def list_orders(
    connection: Connection,
    *,
    merchant_id: str,
    livemode: bool,
    limit: int,
    starting_after: str | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> list[Order]:
    """At most `limit` orders, newest first, those older than `starting_after`."""
    query = newest_page(
        select(*_COLUMNS),
        orders,
        merchant_id=merchant_id,
        livemode=livemode,
        limit=limit,
        starting_after=starting_after,
    )
    query = made_between(query, orders, ORDER, created_from, created_to)
    return [_order(row) for row in await connection.execute(query)]


def _order(row: Row[Any]) -> Order:
    values = row._asdict()
    values["status"] = OrderStatus(values["status"])
    return Order(**values)

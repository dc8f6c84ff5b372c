"""Every SQL statement of refunds."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, func, insert, select, update

from gateway_common.db.database import Connection
from gateway_common.db.pages import made_between, newest_page
from gateway_common.errors import NotFoundError
from gateway_common.ids import REFUND
from gateway_common.refunds.model import Refund, RefundStatus
from gateway_common.refunds.tables import refunds

_COLUMNS: Final = [refunds.c[field.name] for field in fields(Refund)]
_OPEN: Final = [RefundStatus.PENDING, RefundStatus.PROCESSING]


async def insert_refund(connection: Connection, refund: Refund) -> None:
    await connection.execute(insert(refunds).values(asdict(refund)))


async def save_refund(connection: Connection, refund: Refund) -> None:
    """Write a refund whose payment the caller's transaction has locked."""
    values = {
        "status": refund.status,
        "error_code": refund.error_code,
        "error_message": refund.error_message,
        "version": refund.version,
        "updated_at": refund.updated_at,
    }
    await connection.execute(update(refunds).where(refunds.c.id == refund.id).values(values))


async def get_refund(connection: Connection, refund_id: str, *, merchant_id: str, livemode: bool) -> Refund:
    """The merchant's refund; NotFoundError."""
    query = select(*_COLUMNS).where(
        refunds.c.id == refund_id, refunds.c.merchant_id == merchant_id, refunds.c.livemode == livemode
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such refund.")
    return _refund(row)


async def list_refunds(
    connection: Connection,
    *,
    merchant_id: str,
    livemode: bool,
    limit: int,
    starting_after: str | None = None,
    payment_id: str | None = None,
    status: RefundStatus | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> list[Refund]:
    """At most `limit` refunds, newest first, those older than `starting_after`."""
    query = newest_page(
        select(*_COLUMNS),
        refunds,
        merchant_id=merchant_id,
        livemode=livemode,
        limit=limit,
        starting_after=starting_after,
    )
    if payment_id is not None:
        query = query.where(refunds.c.payment_id == payment_id)
    if status is not None:
        query = query.where(refunds.c.status == status)
    query = made_between(query, refunds, REFUND, created_from, created_to)
    return [_refund(row) for row in await connection.execute(query)]


async def list_open_refunds(connection: Connection, payment_id: str) -> list[Refund]:
    """The payment's refunds that wait or run, in the order in which they are worked off.

    First the one that is with the provider: clocks differ, so one that came later may have the smaller id.
    """
    query = (
        select(*_COLUMNS)
        .where(refunds.c.payment_id == payment_id, refunds.c.status.in_(_OPEN))
        .order_by(refunds.c.status == RefundStatus.PENDING, refunds.c.id)
    )
    return [_refund(row) for row in await connection.execute(query)]


async def count_by_status(connection: Connection) -> dict[str, int]:
    """All refunds by status; a scan of the table, for the test profile only."""
    query = select(refunds.c.status, func.count()).group_by(refunds.c.status)
    return dict((await connection.execute(query)).all())


def _refund(row: Row[Any]) -> Refund:
    values = row._asdict()
    values["status"] = RefundStatus(values["status"])
    return Refund(**values)

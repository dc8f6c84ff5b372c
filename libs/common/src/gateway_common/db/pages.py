"""A page of a merchant's rows, newest first. Ids begin with their time, so each bound here is a range of one index."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table

from gateway_common.ids import first_id


def newest_page(
    query: Select[Any],
    table: Table,
    *,
    merchant_id: str,
    livemode: bool,
    limit: int,
    starting_after: str | None,
) -> Select[Any]:
    """The query for at most `limit` of the merchant's rows of one mode, those older than the row `starting_after`."""
    page = (
        query.where(table.c.merchant_id == merchant_id, table.c.livemode == livemode)
        .order_by(table.c.id.desc())
        .limit(limit)
    )
    return page if starting_after is None else page.where(table.c.id < starting_after)


def made_between(
    query: Select[Any], table: Table, prefix: str, created_from: datetime | None, created_to: datetime | None
) -> Select[Any]:
    """The query for rows made at `created_from` or later, and before `created_to`; None leaves that side open."""
    if created_from is not None:
        query = query.where(table.c.id >= first_id(prefix, created_from))
    if created_to is not None:
        query = query.where(table.c.id < first_id(prefix, created_to))
    return query

"""Every SQL statement that reads sealed values and replaces them, whichever noun's they are."""

from typing import Any, Final

from sqlalchemy import Column, Table, case, func, null, select, tuple_, update

from gateway_common.crypto import KEY_ID_BYTES
from gateway_common.db.database import Connection
from gateway_common.idempotency.tables import idempotency_keys
from gateway_common.payments.tables import payment_cards
from gateway_common.reseal.model import SealedKind, SealedRow
from gateway_common.webhooks.tables import webhook_endpoints

_COLUMNS: Final[dict[SealedKind, tuple[Table, Column[Any]]]] = {
    SealedKind.WEBHOOK_ENDPOINT: (webhook_endpoints, webhook_endpoints.c.sealed_secret),
    SealedKind.OLD_WEBHOOK_SECRET: (webhook_endpoints, webhook_endpoints.c.sealed_old_secret),
    SealedKind.WEBHOOK_HEADERS: (webhook_endpoints, webhook_endpoints.c.sealed_headers),
    SealedKind.CARD: (payment_cards, payment_cards.c.sealed),
    SealedKind.ANSWER: (idempotency_keys, idempotency_keys.c.response_body),
}


async def list_sealed_rows(
    connection: Connection, kind: SealedKind, *, limit: int, after: tuple[Any, ...] | None = None
) -> list[SealedRow]:
    """At most `limit` rows in the order of their places, those after this one.

    Rows without a sealed value are among them: to skip them here, one statement might have to read all there are.
    """
    table, column = _COLUMNS[kind]
    place = list(table.primary_key)
    is_answer = kind is SealedKind.ANSWER
    sealed = case((idempotency_keys.c.sealed, column)) if is_answer else column
    fingerprint = idempotency_keys.c.fingerprint if is_answer else null()
    query = select(*place, sealed.label("value"), fingerprint.label("fingerprint")).order_by(*place).limit(limit)
    if after is not None:
        query = query.where(tuple_(*place) > after)
    return [
        SealedRow(place=tuple(row[: len(place)]), sealed=row.value, fingerprint=row.fingerprint)
        for row in await connection.execute(query)
    ]


async def count_sealed_by_key_id(connection: Connection, kind: SealedKind) -> dict[str, int]:
    """How many values each master key sealed, by that one's id. Reads the whole table: not for answers, of which there
    may be millions.
    """
    _, column = _COLUMNS[kind]
    sealed_by = func.encode(func.substr(column, 1, KEY_ID_BYTES), "hex").label("sealed_by")
    counted = select(sealed_by, func.count().label("values")).where(column.is_not(None)).group_by("sealed_by")
    rows = await connection.execute(counted)
    return {row.sealed_by: row[1] for row in rows}


async def save_sealed_row(connection: Connection, kind: SealedKind, row: SealedRow, sealed: bytes, key_id: str) -> bool:
    """Replace the row's value, sealed by the master key of this id; False if it changed or went in the meantime."""
    table, column = _COLUMNS[kind]
    values: dict[str, Any] = {column.name: sealed}
    if kind is SealedKind.CARD:
        values["key_id"] = key_id
    statement = update(table).where(tuple_(*table.primary_key) == row.place, column == row.sealed).values(values)
    return (await connection.execute(statement)).rowcount == 1

"""Every SQL statement that a merchant's view of deliveries needs. Deliveries as work are in claim_store.py.

No list reads the table from end to end, whatever is asked for.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, TextClause, text

from gateway_common.db.database import Connection
from gateway_common.errors import NotFoundError
from gateway_common.ids import EVENT, WEBHOOK_DELIVERY, first_id
from gateway_common.webhooks.model import DeliveryStatus, WebhookDelivery

LOOK_MOST: Final = 10_000
"""So many deliveries one page looks at for those of a status that no index knows."""
_TIME_DIGITS: Final = 12
_BEHIND_ALL: Final = f"{WEBHOOK_DELIVERY}~"

# The ids of a range, and whose: by the columns of an index, and compared as a row. With a condition on each of them the
# planner may go by the ids alone, through everybody else's deliveries.
_BY_MERCHANT: Final = ("merchant_id, livemode, id", "CAST(:merchant_id AS text), CAST(:livemode AS boolean)")
_OWN_ENDPOINT: Final = """
(SELECT id FROM webhook_endpoints WHERE id = :endpoint_id AND merchant_id = :merchant_id AND livemode = :livemode)
"""
_BY_ENDPOINT: Final = ("endpoint_id, id", _OWN_ENDPOINT)
_RANGE: Final = "delivery.id >= :first_id AND delivery.id < :before_id"
_NAMES: Final = [field.name for field in fields(WebhookDelivery)]
_ELSEWHERE: Final = {"event_type": "event.type AS event_type", "url": "endpoint.url"}
_TOLD: Final = f"""
SELECT {", ".join(_ELSEWHERE.get(name, f"delivery.{name}") for name in _NAMES)}, event.body
FROM webhook_deliveries AS delivery
JOIN events AS event ON event.id = delivery.event_id
JOIN webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
"""


def _tell(found: str) -> TextClause:
    """The page whose ids `found` finds."""
    return text(f"""
WITH found AS MATERIALIZED ({found} LIMIT :limit)
{_TOLD} WHERE delivery.id IN (SELECT id FROM found) ORDER BY delivery.id DESC
""")


def _look(columns: str, values: str, *, most: str = "") -> str:
    """The range's deliveries, newest first; no more of them than `most` says."""
    newest_first = ", ".join(f"{column} DESC" for column in columns.split(", "))
    looked = f"""
SELECT * FROM webhook_deliveries
WHERE ({columns}) >= ({values}, :first_id) AND ({columns}) < ({values}, :before_id)
ORDER BY {newest_first} {most}
"""
    return f"""
SELECT id FROM ({looked}) AS looked
WHERE (CAST(:status AS text) IS NULL OR status = :status) AND (CAST(:event_id AS text) IS NULL OR event_id = :event_id)
    AND (CAST(:endpoint_id AS text) IS NULL OR endpoint_id = :endpoint_id)
ORDER BY {newest_first}
"""


def _of_status(found: str) -> TextClause:
    """The page by an index that knows the status, asked at each endpoint that counts."""
    return _tell(f"""
SELECT found.id
FROM webhook_endpoints AS endpoint
CROSS JOIN LATERAL ({found}) AS found
WHERE endpoint.merchant_id = :merchant_id AND endpoint.livemode = :livemode
    AND (CAST(:endpoint_id AS text) IS NULL OR endpoint.id = :endpoint_id)
ORDER BY found.id DESC
""")


def _indexed(status: DeliveryStatus) -> str:
    return f"""
SELECT delivery.id FROM webhook_deliveries AS delivery
WHERE delivery.endpoint_id = endpoint.id AND delivery.status = '{status}' AND {_RANGE}
ORDER BY delivery.id DESC LIMIT :limit
"""


def _waiting(condition: str) -> str:
    """All of one index of those that are owed; OFFSET keeps the planner from walking through history for them."""
    return f"""
SELECT id, status FROM webhook_deliveries AS waiting WHERE waiting.endpoint_id = endpoint.id AND {condition} OFFSET 0
"""


_PENDING: Final = f"""
SELECT delivery.id
FROM (
    ({_waiting("lane = 0 AND due_at IS NOT NULL AND worker_id IS NULL")})
    UNION ALL ({_waiting("lane = 1 AND due_at IS NOT NULL AND worker_id IS NULL")})
    UNION ALL ({_waiting("worker_id IS NOT NULL")})
) AS delivery
WHERE delivery.status = 'pending' AND {_RANGE}
ORDER BY delivery.id DESC LIMIT :limit
"""
_LIST_OF_STATUS: Final = {
    DeliveryStatus.FAILED: _of_status(_indexed(DeliveryStatus.FAILED)),
    DeliveryStatus.HELD: _of_status(_indexed(DeliveryStatus.HELD)),
}
_LIST_PENDING = _of_status(_PENDING)
_LIST_OF_EVENT = _tell(_look(*_BY_MERCHANT))
# By whether it is one endpoint's: what is found among so many, and which one was the last of so many.
_SOME: Final = {
    False: _look(*_BY_MERCHANT, most="LIMIT :look_most"),
    True: _look(*_BY_ENDPOINT, most="LIMIT :look_most"),
}
_LIST_SOME: Final = {of_endpoint: _tell(some) for of_endpoint, some in _SOME.items()}
_FIND_END: Final = {of_endpoint: text(f"{some} OFFSET :look_most - 1") for of_endpoint, some in _SOME.items()}
_GET = text(f"""{_TOLD}
WHERE delivery.id = :id AND delivery.merchant_id = :merchant_id AND delivery.livemode = :livemode
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries a list shows; None leaves a side open."""

    endpoint_id: str | None = None
    event_id: str | None = None
    status: DeliveryStatus | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


async def list_deliveries(
    connection: Connection,
    wanted: DeliveryFilter,
    *,
    merchant_id: str,
    livemode: bool,
    limit: int,
    starting_after: str | None = None,
) -> tuple[list[WebhookDelivery], str | None]:
    """At most `limit` deliveries, newest first, those older than `starting_after`.

    And if the search ended before its end, the id of the last one it looked at: there may be more behind that.
    """
    parameters = {
        "merchant_id": merchant_id,
        "livemode": livemode,
        "endpoint_id": wanted.endpoint_id,
        "event_id": wanted.event_id,
        "status": wanted.status,
        "limit": limit,
        "look_most": LOOK_MOST,
        **_bounds(wanted, starting_after),
    }

    async def read(statement: TextClause) -> list[WebhookDelivery]:
        return [_delivery(row) for row in await connection.execute(statement, parameters)]

    if wanted.event_id is not None:
        # What is too short to be an event's id would open a range of more than its millisecond.
        is_possible = len(wanted.event_id) > len(EVENT) + _TIME_DIGITS
        return (await read(_LIST_OF_EVENT) if is_possible else []), None
    if wanted.status in _LIST_OF_STATUS:
        return await read(_LIST_OF_STATUS[wanted.status]), None
    of_endpoint = wanted.endpoint_id is not None
    found = await read(_LIST_SOME[of_endpoint])
    if len(found) == limit or wanted.status is None:
        return found, None
    if wanted.status is DeliveryStatus.PENDING:
        return await read(_LIST_PENDING), None
    return found, await connection.scalar(_FIND_END[of_endpoint], parameters | {"status": None})


async def get_delivery(
    connection: Connection, delivery_id: str, *, merchant_id: str, livemode: bool
) -> tuple[WebhookDelivery, bytes]:
    """The merchant's delivery and the bytes it sends; NotFoundError."""
    parameters = {"id": delivery_id, "merchant_id": merchant_id, "livemode": livemode}
    row = (await connection.execute(_GET, parameters)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such webhook delivery.")
    return _delivery(row), bytes(row.body)


def _bounds(wanted: DeliveryFilter, starting_after: str | None) -> dict[str, str]:
    """The range of ids: they begin with their event's time, in milliseconds."""
    first, before = [WEBHOOK_DELIVERY], [starting_after or _BEHIND_ALL]
    if wanted.created_from is not None:
        first.append(first_id(WEBHOOK_DELIVERY, wanted.created_from))
    if wanted.created_to is not None:
        before.append(first_id(WEBHOOK_DELIVERY, wanted.created_to))
    if wanted.event_id is not None:
        of_event = WEBHOOK_DELIVERY + wanted.event_id.removeprefix(EVENT)[:_TIME_DIGITS]
        first.append(of_event)
        before.append(f"{of_event}~")
    return {"first_id": max(first), "before_id": min(before)}


def _delivery(row: Row[Any]) -> WebhookDelivery:
    values = {name: getattr(row, name) for name in _NAMES}
    return WebhookDelivery(**values | {"status": DeliveryStatus(row.status)})

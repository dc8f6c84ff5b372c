"""Every SQL statement that records or reads events; sequence_store.py numbers them.

An event is recorded with its deliveries, in the statement of its change.
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Row, Select, select, text

from gateway_common.db.database import Connection
from gateway_common.errors import NotFoundError
from gateway_common.events.model import Event, NumberedEvent
from gateway_common.events.tables import events

# Put behind the CTEs `new_event`, which yields these columns, and `wanted`, which says who is to hear of it. A
# delivery's id follows from event and endpoint, so none can be recorded twice; how many there were to be is kept with
# the event.
_RECORD_WANTED: Final = """
recorded_event AS (
    INSERT INTO events (id, merchant_id, livemode, type, object_id, body, traceparent, created_at, fan_out)
    SELECT
        id, merchant_id, livemode, type, object_id, convert_to(body, 'UTF8'), traceparent, created_at,
        coalesce(fan_out.count, 0)
    FROM new_event
    LEFT JOIN (SELECT event_id, count(*) FROM wanted GROUP BY event_id) AS fan_out ON fan_out.event_id = new_event.id
    RETURNING id, merchant_id, livemode, created_at
),
recorded_delivery AS (
    INSERT INTO webhook_deliveries (
        id, event_id, endpoint_id, merchant_id, livemode, status, due_at, created_at, updated_at
    )
    SELECT
        'dlv_' || substr(event.id, 5, 12)
            || substr(encode(sha256(convert_to(event.id || wanted.endpoint_id, 'UTF8')), 'hex'), 1, 18),
        event.id, wanted.endpoint_id, event.merchant_id, event.livemode,
        CASE WHEN wanted.enabled THEN 'pending' ELSE 'held' END,
        CASE WHEN wanted.enabled THEN now() END,
        event.created_at, event.created_at
    FROM recorded_event AS event
    JOIN wanted ON wanted.event_id = event.id
    RETURNING id
)
"""
# Put behind a CTE `new_event`; it then records the events and fans them out to the endpoints that want them. The lock
# lets a change of an endpoint's status be waited for: what is recorded then is for a paused or disabled endpoint held,
# and for a deleted one left out.
RECORD_EVENTS: Final = f"""
wanted AS (
    SELECT event.id AS event_id, endpoint.id AS endpoint_id, endpoint.status = 'enabled' AS enabled
    FROM new_event AS event
    JOIN webhook_endpoints AS endpoint
        ON endpoint.merchant_id = event.merchant_id
        AND endpoint.livemode = event.livemode
        AND endpoint.status <> 'deleted'
        AND (endpoint.event_types = '{{}}' OR event.type = ANY (endpoint.event_types))
    FOR KEY SHARE OF endpoint
),
{_RECORD_WANTED}"""

_EVENT_COLUMNS: Final = """
id text, merchant_id text, livemode boolean, type text, object_id text, body text, traceparent text,
created_at timestamptz
"""

_INSERT_EVENTS = text(f"""
WITH new_event AS (SELECT * FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS row ({_EVENT_COLUMNS})),
{RECORD_EVENTS}
SELECT count(*) FROM recorded_delivery
""")

_INSERT_PRIVATE_EVENT = text(f"""
WITH new_event AS (SELECT * FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS row ({_EVENT_COLUMNS})),
wanted AS (SELECT id AS event_id, CAST(:endpoint_id AS text) AS endpoint_id, true AS enabled FROM new_event),
{_RECORD_WANTED}
SELECT id FROM recorded_delivery
""")


def event_row(event: Event) -> dict[str, Any]:
    """The event as a JSON row for `new_event`."""
    return {
        "id": event.id,
        "merchant_id": event.merchant_id,
        "livemode": event.livemode,
        "type": event.type,
        "object_id": event.object_id,
        "body": event.body.decode(),
        "traceparent": event.traceparent,
        "created_at": event.created_at,
    }


async def insert_events(connection: Connection, events: Sequence[Event]) -> int:
    """Record events and their deliveries in the caller's transaction; how many deliveries came of it."""
    rows = orjson.dumps([event_row(event) for event in events]).decode()
    deliveries: int = await connection.scalar(_INSERT_EVENTS, {"events": rows})
    return deliveries


async def insert_private_event(connection: Connection, event: Event, endpoint_id: str) -> str:
    """Record an event for one enabled endpoint alone, whatever types it wants; the id of its delivery.

    The caller has locked the endpoint against a change of its status.
    """
    parameters = {"events": orjson.dumps([event_row(event)]).decode(), "endpoint_id": endpoint_id}
    delivery_id: str = await connection.scalar(_INSERT_PRIVATE_EVENT, parameters)
    return delivery_id


async def get_event(connection: Connection, event_id: str, *, merchant_id: str, livemode: bool) -> NumberedEvent:
    """The merchant's event; NotFoundError, also in the moment before it has its number."""
    event = await find_event(connection, event_id, merchant_id=merchant_id, livemode=livemode)
    if event is None:
        raise NotFoundError("There is no such event.")
    return event


async def find_event(
    connection: Connection, event_id: str, *, merchant_id: str, livemode: bool
) -> NumberedEvent | None:
    """The merchant's event; None also in the moment before it has its number."""
    row = (await connection.execute(_numbered(merchant_id, livemode).where(events.c.id == event_id))).one_or_none()
    return None if row is None else _event(row)


async def list_events(
    connection: Connection,
    *,
    merchant_id: str,
    livemode: bool,
    limit: int,
    starting_after: str | None = None,
) -> list[NumberedEvent]:
    """At most `limit` events, the newest number first, those before the event `starting_after`."""
    query = _numbered(merchant_id, livemode).order_by(events.c.sequence.desc()).limit(limit)
    if starting_after is not None:
        last = select(events.c.sequence).where(
            events.c.id == starting_after, events.c.merchant_id == merchant_id, events.c.livemode == livemode
        )
        query = query.where(events.c.sequence < last.scalar_subquery())
    return [_event(row) for row in await connection.execute(query)]


async def list_events_after(
    connection: Connection, sequence: int, *, merchant_id: str, livemode: bool, limit: int
) -> list[NumberedEvent]:
    """At most `limit` events behind this number, in order. Who reads on from the last one misses none."""
    query = _numbered(merchant_id, livemode).where(events.c.sequence > sequence).order_by(events.c.sequence)
    return [_event(row) for row in await connection.execute(query.limit(limit))]


def _numbered(merchant_id: str, livemode: bool) -> Select[Any]:  # noqa: FBT001
    return select(events.c.id, events.c.livemode, events.c.type, events.c.sequence, events.c.body).where(
        events.c.merchant_id == merchant_id, events.c.livemode == livemode, events.c.sequence.is_not(None)
    )


def _event(row: Row[Any]) -> NumberedEvent:
    return NumberedEvent(**row._asdict())

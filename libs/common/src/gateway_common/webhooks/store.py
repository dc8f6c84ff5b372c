"""Every SQL statement that a merchant's view of webhooks needs. Claims and outcomes are in queue_store.py."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, insert, select, text

from gateway_common.db.database import Connection
from gateway_common.db.pages import newest_page
from gateway_common.errors import NotFoundError
from gateway_common.events.tables import events
from gateway_common.webhooks.model import DeliveryStatus, EndpointStatus, WebhookDelivery, WebhookEndpoint
from gateway_common.webhooks.tables import webhook_deliveries, webhook_endpoints

_ENDPOINT_COLUMNS: Final = [webhook_endpoints.c[field.name] for field in fields(WebhookEndpoint)]
_DELETE = text("""
UPDATE webhook_endpoints SET status = 'deleted', updated_at = :now
WHERE id = (
    SELECT id FROM webhook_endpoints
    WHERE id = :id AND merchant_id = :merchant_id AND livemode = :livemode AND status <> 'deleted'
    FOR UPDATE
)
RETURNING id
""")
_CANCEL = text("""
WITH waiting AS (
    SELECT id FROM webhook_deliveries
    WHERE endpoint_id = :id AND due_at IS NOT NULL
    ORDER BY id
    LIMIT :most
    FOR NO KEY UPDATE
)
UPDATE webhook_deliveries
SET status = 'cancelled', due_at = NULL, worker_id = NULL, leased_at = NULL, updated_at = :now
FROM waiting
WHERE webhook_deliveries.id = waiting.id
""")


async def insert_endpoint(connection: Connection, endpoint: WebhookEndpoint) -> None:
    await connection.execute(insert(webhook_endpoints).values(asdict(endpoint)))


async def get_endpoint(
    connection: Connection, endpoint_id: str, *, merchant_id: str, livemode: bool
) -> WebhookEndpoint:
    """The merchant's endpoint; NotFoundError, also when it was deleted."""
    query = select(*_ENDPOINT_COLUMNS).where(
        webhook_endpoints.c.id == endpoint_id,
        webhook_endpoints.c.merchant_id == merchant_id,
        webhook_endpoints.c.livemode == livemode,
        webhook_endpoints.c.status != EndpointStatus.DELETED,
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such webhook endpoint.")
    return _endpoint(row)


async def list_endpoints(
    connection: Connection,
    *,
    merchant_id: str,
    livemode: bool,
    limit: int,
    starting_after: str | None = None,
) -> list[WebhookEndpoint]:
    """At most `limit` endpoints, newest first, those older than `starting_after`."""
    query = newest_page(
        select(*_ENDPOINT_COLUMNS).where(webhook_endpoints.c.status != EndpointStatus.DELETED),
        webhook_endpoints,
        merchant_id=merchant_id,
        livemode=livemode,
        limit=limit,
        starting_after=starting_after,
    )
    return [_endpoint(row) for row in await connection.execute(query)]


async def delete_endpoint(
    connection: Connection, endpoint_id: str, *, merchant_id: str, livemode: bool, now: datetime
) -> None:
    """Delete the endpoint, in a transaction of its own; its history stays. NotFoundError.

    Events that are being recorded for it hold a lock on its row and are waited for: after the commit nothing new can
    wait for it, and what waits can be cancelled in peace, see `cancel_deliveries`.
    """
    parameters = {"id": endpoint_id, "merchant_id": merchant_id, "livemode": livemode, "now": now}
    if await connection.scalar(_DELETE, parameters) is None:
        raise NotFoundError("There is no such webhook endpoint.")


async def cancel_deliveries(connection: Connection, endpoint_id: str, *, now: datetime, most: int = 1000) -> int:
    """Cancel what waits for a deleted endpoint, some rows at a time; how many there were."""
    return (await connection.execute(_CANCEL, {"id": endpoint_id, "now": now, "most": most})).rowcount


async def list_deliveries(
    connection: Connection,
    *,
    merchant_id: str,
    livemode: bool,
    limit: int,
    starting_after: str | None = None,
) -> list[WebhookDelivery]:
    """At most `limit` deliveries, newest first, those older than `starting_after`."""
    told = (
        select(webhook_deliveries, events.c.type.label("event_type"), webhook_endpoints.c.url)
        .join(events, events.c.id == webhook_deliveries.c.event_id)
        .join(webhook_endpoints, webhook_endpoints.c.id == webhook_deliveries.c.endpoint_id)
    )
    query = newest_page(
        told,
        webhook_deliveries,
        merchant_id=merchant_id,
        livemode=livemode,
        limit=limit,
        starting_after=starting_after,
    )
    names = [field.name for field in fields(WebhookDelivery)]
    found = []
    for row in await connection.execute(query):
        values = {name: getattr(row, name) for name in names}
        values["status"] = DeliveryStatus(values["status"])
        found.append(WebhookDelivery(**values))
    return found


def _endpoint(row: Row[Any]) -> WebhookEndpoint:
    values = row._asdict()
    values["status"] = EndpointStatus(values["status"])
    return WebhookEndpoint(**values)

"""Every SQL statement that a merchant's view of webhook endpoints needs. Deliveries are in the other stores."""

from dataclasses import asdict, fields
from typing import Any, Final

from sqlalchemy import Row, Select, func, insert, select, text, update

from gateway_common.db.database import Connection
from gateway_common.db.pages import newest_page
from gateway_common.errors import NotFoundError
from gateway_common.webhooks.model import DisabledReason, EndpointStatus, WebhookEndpoint
from gateway_common.webhooks.tables import webhook_endpoint_health, webhook_endpoints

_ENDPOINT_COLUMNS: Final = [webhook_endpoints.c[field.name] for field in fields(WebhookEndpoint)]
# Always health before endpoint: the dispatcher holds the one when it comes to the other. And one of a merchant's
# endpoints at a time: the event that tells of a change asks for a lock on all of them.
_LOCK_HEALTH = text("SELECT endpoint_id FROM webhook_endpoint_health WHERE endpoint_id = :id FOR NO KEY UPDATE")
_ENDPOINTS_LOCK: Final = 777_874_204
"""With the hash of a merchant's id: one change of that merchant's endpoints at a time."""
_LOCK_MERCHANT_OF = text(
    f"SELECT pg_advisory_xact_lock({_ENDPOINTS_LOCK}, hashtext(merchant_id)) FROM webhook_endpoints WHERE id = :id"
)
_LOCK_MERCHANT = text(f"SELECT pg_advisory_xact_lock({_ENDPOINTS_LOCK}, hashtext(CAST(:merchant_id AS text)))")
_CHANGE_STATUS = text("""
UPDATE webhook_endpoint_health SET
    settling = true,
    revision = revision + 1,
    consecutive_failures = 0,
    failing_since = NULL,
    blocked_until = NULL,
    trips = 0,
    -- What waited for the end of a pause may not have been held in between.
    look_at = CASE WHEN :enabled THEN now() ELSE look_at END,
    -- What was held is let go one by one at first.
    allowance = CASE WHEN :enabled THEN 1 END
WHERE endpoint_id = :id
""")


async def insert_endpoint(connection: Connection, endpoint: WebhookEndpoint) -> None:
    """Store a new endpoint, in the caller's transaction or statement by statement."""
    await connection.execute(insert(webhook_endpoints).values(asdict(endpoint)))
    health = insert(webhook_endpoint_health).values(endpoint_id=endpoint.id, refilled_at=func.now())
    await connection.execute(health)


async def count_endpoints(connection: Connection, *, merchant_id: str, livemode: bool) -> int:
    """How many endpoints the merchant has. Until the caller's transaction ends nobody adds one."""
    await connection.execute(_LOCK_MERCHANT, {"merchant_id": merchant_id})
    query = select(func.count()).where(
        webhook_endpoints.c.merchant_id == merchant_id,
        webhook_endpoints.c.livemode == livemode,
        webhook_endpoints.c.status != EndpointStatus.DELETED,
    )
    return (await connection.execute(query)).scalar_one()


async def lock_endpoint(
    connection: Connection, endpoint_id: str, *, merchant_id: str, livemode: bool
) -> WebhookEndpoint:
    """The merchant's endpoint, locked in the caller's transaction; NotFoundError, also when it was deleted.

    Events that are being recorded for it hold a lock on its row and are waited for. So what is recorded after a change
    of its status goes by the new one, and what was recorded before can be moved in peace, see settle_store.py.
    No transaction may lock a second one.
    """
    await _lock_before(connection, endpoint_id)
    query = _of_merchant(endpoint_id, merchant_id=merchant_id, livemode=livemode).with_for_update()
    return await _read_endpoint(connection, query)


async def save_endpoint(connection: Connection, endpoint: WebhookEndpoint, *, before: WebhookEndpoint) -> None:
    """Write an endpoint that the caller has locked. Its waiting deliveries follow a new status.

    A new status and a new address forget its failures.
    """
    changed = {name: value for name, value in asdict(endpoint).items() if value != getattr(before, name)}
    if changed:
        await connection.execute(update(webhook_endpoints).where(webhook_endpoints.c.id == endpoint.id).values(changed))
    if endpoint.status != before.status or endpoint.url != before.url:
        parameters = {"id": endpoint.id, "enabled": endpoint.status == EndpointStatus.ENABLED}
        await connection.execute(_CHANGE_STATUS, parameters)


async def find_locked_endpoint(connection: Connection, endpoint_id: str) -> WebhookEndpoint | None:
    """Any merchant's endpoint, locked as `lock_endpoint` does; None if it was deleted."""
    await _lock_before(connection, endpoint_id)
    row = (await connection.execute(_any_endpoint(endpoint_id).with_for_update())).one_or_none()
    return None if row is None else _endpoint(row)


async def _lock_before(connection: Connection, endpoint_id: str) -> None:
    await connection.execute(_LOCK_HEALTH, {"id": endpoint_id})
    await connection.execute(_LOCK_MERCHANT_OF, {"id": endpoint_id})


async def get_endpoint(
    connection: Connection, endpoint_id: str, *, merchant_id: str, livemode: bool
) -> WebhookEndpoint:
    """The merchant's endpoint; NotFoundError, also when it was deleted."""
    return await _read_endpoint(connection, _of_merchant(endpoint_id, merchant_id=merchant_id, livemode=livemode))


async def hold_endpoint(
    connection: Connection, endpoint_id: str, *, merchant_id: str, livemode: bool
) -> WebhookEndpoint:
    """The same, and its status stays until the caller's transaction ends: who changes it is waited for, or waits."""
    query = _of_merchant(endpoint_id, merchant_id=merchant_id, livemode=livemode)
    return await _read_endpoint(connection, query.with_for_update(read=True, key_share=True))


def _any_endpoint(endpoint_id: str) -> Select[Any]:
    return select(*_ENDPOINT_COLUMNS).where(
        webhook_endpoints.c.id == endpoint_id, webhook_endpoints.c.status != EndpointStatus.DELETED
    )


def _of_merchant(endpoint_id: str, *, merchant_id: str, livemode: bool) -> Select[Any]:
    return _any_endpoint(endpoint_id).where(
        webhook_endpoints.c.merchant_id == merchant_id, webhook_endpoints.c.livemode == livemode
    )


async def _read_endpoint(connection: Connection, query: Select[Any]) -> WebhookEndpoint:
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


def _endpoint(row: Row[Any]) -> WebhookEndpoint:
    values = row._asdict()
    values["status"] = EndpointStatus(values["status"])
    values["disabled_reason"] = values["disabled_reason"] and DisabledReason(values["disabled_reason"])
    return WebhookEndpoint(**values)

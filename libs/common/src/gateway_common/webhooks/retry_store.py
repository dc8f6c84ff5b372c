"""Every SQL statement by which a merchant has one delivery tried again now."""

from sqlalchemy import text

from gateway_common.db.database import Connection
from gateway_common.errors import NotFoundError
from gateway_common.webhooks.changes import DeliveryStanding
from gateway_common.webhooks.lease_store import LOOK_AGAIN
from gateway_common.webhooks.model import EndpointStatus

# Delivery, health, endpoint: in this order, for dispatchers and changes of an endpoint's status lock in it too.
_LOCK = text("""
SELECT endpoint_id, worker_id IS NOT NULL AS leased FROM webhook_deliveries
WHERE id = :id AND merchant_id = :merchant_id AND livemode = :livemode
FOR NO KEY UPDATE
""")
_LOCK_HEALTH = text("SELECT FROM webhook_endpoint_health WHERE endpoint_id = :endpoint_id FOR NO KEY UPDATE")
_HOLD_STATUS = text("SELECT status FROM webhook_endpoints WHERE id = :endpoint_id FOR KEY SHARE")
# What had ended has its whole schedule again, and is no replay's any more.
_RETRY = text(f"""
WITH freed AS (
    UPDATE webhook_deliveries SET
        status = 'pending',
        due_at = least(due_at, now()),
        lane = CASE status WHEN 'pending' THEN lane ELSE 1 END,
        schedule_from = CASE WHEN status IN ('pending', 'held') THEN schedule_from ELSE attempts END,
        replay_id = CASE WHEN status IN ('pending', 'held') THEN replay_id END,
        updated_at = now()
    WHERE id = :id
    RETURNING endpoint_id, lane, due_at
),
{LOOK_AGAIN}
SELECT count(*) FROM freed
""")


async def lock_delivery(
    connection: Connection, delivery_id: str, *, merchant_id: str, livemode: bool
) -> DeliveryStanding:
    """Where the merchant's delivery and its endpoint stand, until the caller's transaction ends; NotFoundError."""
    parameters = {"id": delivery_id, "merchant_id": merchant_id, "livemode": livemode}
    row = (await connection.execute(_LOCK, parameters)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such webhook delivery.")
    await connection.execute(_LOCK_HEALTH, {"endpoint_id": row.endpoint_id})
    status = await connection.scalar(_HOLD_STATUS, {"endpoint_id": row.endpoint_id})
    return DeliveryStanding(leased=row.leased, endpoint_id=row.endpoint_id, endpoint_status=EndpointStatus(status))


async def retry_delivery(connection: Connection, delivery_id: str) -> None:
    """Have a delivery that the caller has locked tried now, and its endpoint looked at."""
    await connection.execute(_RETRY, {"id": delivery_id})

"""Every SQL statement by which an endpoint's waiting deliveries follow its status: held, let go, or cancelled.

The status changes in a moment (store.py); a hundred thousand rows take longer, so they follow some at a time, in
statements of their own, by whoever comes by. Claims and new events go by the status itself.
"""

from typing import Final

from sqlalchemy import text

from gateway_common.db.database import Connection
from gateway_common.webhooks.lease_store import LOOK_AND_SETTLE_AGAIN
from gateway_common.webhooks.model import EndpointStatus

_FIND = text("""
SELECT health.endpoint_id, health.revision, endpoint.status
FROM webhook_endpoint_health AS health
JOIN webhook_endpoints AS endpoint ON endpoint.id = health.endpoint_id
WHERE health.settling AND (CAST(:endpoint_id AS text) IS NULL OR health.endpoint_id = :endpoint_id)
ORDER BY random()
LIMIT :most
""")
# Each source has an index of its own, for an endpoint's history may be long: first attempts, what waits for a time.
_WAITING: Final = """
SELECT id FROM (
    (
        SELECT id FROM webhook_deliveries AS delivery
        WHERE delivery.endpoint_id = :endpoint_id AND delivery.lane = 0
            AND delivery.due_at IS NOT NULL AND delivery.worker_id IS NULL
        ORDER BY delivery.due_at LIMIT :most
    )
    UNION ALL
    (
        SELECT id FROM webhook_deliveries AS delivery
        WHERE delivery.endpoint_id = :endpoint_id AND delivery.lane = 1
            AND delivery.due_at IS NOT NULL AND delivery.worker_id IS NULL
        ORDER BY delivery.due_at LIMIT :most
    )
) AS waiting
"""
_HELD: Final = """
SELECT id FROM webhook_deliveries AS delivery
WHERE delivery.endpoint_id = :endpoint_id AND delivery.status = 'held'
ORDER BY delivery.id LIMIT :most
"""
_LEASED: Final = """
SELECT id FROM webhook_deliveries AS delivery
WHERE delivery.endpoint_id = :endpoint_id AND delivery.worker_id IS NOT NULL
"""
_LET_GO: Final = text(f"""
WITH waiting AS (
    SELECT id FROM webhook_deliveries AS delivery
    WHERE delivery.id IN ({_HELD}) AND delivery.status = 'held'
    ORDER BY delivery.id
    LIMIT :most
    FOR NO KEY UPDATE OF delivery SKIP LOCKED
),
freed AS (
    UPDATE webhook_deliveries SET status = 'pending', due_at = now(), lane = 1, updated_at = now()
    FROM waiting WHERE webhook_deliveries.id = waiting.id
    RETURNING endpoint_id, lane, due_at
),
{LOOK_AND_SETTLE_AGAIN}
SELECT count(*) FROM freed
""")
_HOLD: Final = text(f"""
WITH waiting AS (
    SELECT id FROM webhook_deliveries AS delivery
    WHERE delivery.id IN ({_WAITING}) AND delivery.status = 'pending' AND delivery.worker_id IS NULL
    ORDER BY delivery.id
    LIMIT :most
    FOR NO KEY UPDATE OF delivery SKIP LOCKED
),
moved AS (
    UPDATE webhook_deliveries SET status = 'held', due_at = NULL, updated_at = now()
    FROM waiting WHERE webhook_deliveries.id = waiting.id
    RETURNING webhook_deliveries.id
),
-- Its endpoint may be enabled by now, and whoever let its deliveries go may have finished before it saw these.
settled_again AS (
    UPDATE webhook_endpoint_health SET revision = revision + 1, settling = true
    WHERE endpoint_id = :endpoint_id AND EXISTS (SELECT FROM moved)
)
SELECT count(*) FROM moved
""")
# Also what is on its way: its outcome will find its claim gone and say nothing.
_CANCEL: Final = text(f"""
WITH waiting AS (
    SELECT id FROM webhook_deliveries AS delivery
    WHERE delivery.id IN ({_WAITING} UNION ALL ({_HELD}) UNION ALL {_LEASED})
        AND delivery.status IN ('pending', 'held')
    ORDER BY delivery.id
    LIMIT :most
    FOR NO KEY UPDATE OF delivery SKIP LOCKED
),
moved AS (
    UPDATE webhook_deliveries
    SET status = 'cancelled', due_at = NULL, worker_id = NULL, leased_at = NULL, updated_at = now()
    FROM waiting WHERE webhook_deliveries.id = waiting.id
    RETURNING webhook_deliveries.id
)
SELECT count(*) FROM moved
""")
_MOVES: Final = {
    EndpointStatus.ENABLED: _LET_GO,
    EndpointStatus.PAUSED: _HOLD,
    EndpointStatus.DISABLED: _HOLD,
    EndpointStatus.DELETED: _CANCEL,
}
# An attempt on its way may still come back to wait: until none is left there is something to settle.
_FINISH: Final = text(f"""
UPDATE webhook_endpoint_health AS health
SET settling = false, revision = health.revision + 1,
    look_at = CASE WHEN :enabled THEN health.look_at END
WHERE health.endpoint_id = :endpoint_id AND health.revision = :revision
    AND (:held OR NOT EXISTS ({_HELD}))
    AND (:enabled OR NOT EXISTS ({_WAITING}) AND NOT EXISTS ({_LEASED}))
""")


async def settle_endpoints(connection: Connection, *, endpoint_id: str | None = None, most: int = 1000) -> int:
    """Move on at most `most` waiting deliveries of each endpoint whose status has changed (20 at a time), or of one.

    How many were moved: if any, there may be more.
    """
    moved = 0
    for row in (await connection.execute(_FIND, {"endpoint_id": endpoint_id, "most": 20})).all():
        count = await connection.scalar(_MOVES[row.status], {"endpoint_id": row.endpoint_id, "most": most})
        moved += count
        if not count:
            parameters = {
                "endpoint_id": row.endpoint_id,
                "revision": row.revision,
                "enabled": row.status == EndpointStatus.ENABLED,
                "held": row.status in {EndpointStatus.PAUSED, EndpointStatus.DISABLED},
                "most": 1,
            }
            await connection.execute(_FINISH, parameters)
    return moved

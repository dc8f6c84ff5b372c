"""Every SQL statement by which deliveries that were taken come to wait again, and by which it is seen what waits.

All times here are the database's.
"""

from typing import Final

from sqlalchemy import text

from gateway_common.db.database import Connection
from gateway_common.workers.store import LEASE_IS_FREE

_LOOK_AGAIN: Final = """
soonest AS (
    SELECT health.endpoint_id, waiting.due_at
    FROM (
        SELECT endpoint_id, min(due_at) AS due_at FROM freed
        WHERE lane = 1 AND due_at IS NOT NULL
        GROUP BY endpoint_id
    ) AS waiting
    JOIN webhook_endpoint_health AS health USING (endpoint_id)
    ORDER BY health.endpoint_id
    FOR NO KEY UPDATE OF health
),
looked_at AS (
    UPDATE webhook_endpoint_health AS health
    SET revision = health.revision + 1, look_at = least(health.look_at, soonest.due_at), settling = {settling}
    FROM soonest
    WHERE health.endpoint_id = soonest.endpoint_id
)
"""
# To be put behind a CTE `freed` of rows that wait again, with endpoint_id, lane and due_at: none is overlooked.
LOOK_AGAIN: Final = _LOOK_AGAIN.format(settling="health.settling")
# The same where they wait again because their endpoint was enabled when that was read: it may be paused by now, and
# whoever made its deliveries follow may have finished.
LOOK_AND_SETTLE_AGAIN: Final = _LOOK_AGAIN.format(settling="true")
_FREE = text(f"""
WITH free AS (
    SELECT id FROM webhook_deliveries
    WHERE worker_id IS NOT NULL AND ({LEASE_IS_FREE})
    ORDER BY id
    LIMIT :most
    FOR NO KEY UPDATE SKIP LOCKED
),
freed AS (
    UPDATE webhook_deliveries SET worker_id = NULL, leased_at = NULL
    FROM free WHERE webhook_deliveries.id = free.id
    RETURNING endpoint_id, lane, due_at
),
{LOOK_AGAIN}
SELECT count(*) FROM freed
""")
_RELEASE = text(f"""
WITH held AS (SELECT id FROM webhook_deliveries WHERE worker_id = :worker_id ORDER BY id FOR NO KEY UPDATE),
freed AS (
    UPDATE webhook_deliveries SET worker_id = NULL, leased_at = NULL
    FROM held WHERE webhook_deliveries.id = held.id
    RETURNING endpoint_id, lane, due_at
),
{LOOK_AGAIN}
SELECT count(*) FROM freed
""")
# First attempts at an endpoint whose breaker is open would be walked over by every claim: they wait in lane 1.
_DEFER_BLOCKED = text(f"""
WITH waiting AS (
    SELECT delivery.id
    FROM webhook_endpoint_health AS health
    CROSS JOIN LATERAL (
        SELECT id FROM webhook_deliveries AS delivery
        WHERE delivery.endpoint_id = health.endpoint_id AND delivery.lane = 0
            AND delivery.due_at IS NOT NULL AND delivery.worker_id IS NULL
        LIMIT :most
    ) AS fresh
    JOIN webhook_deliveries AS delivery ON delivery.id = fresh.id
    WHERE health.blocked_until > now()
    ORDER BY delivery.id
    LIMIT :most
    FOR NO KEY UPDATE OF delivery SKIP LOCKED
),
freed AS (
    UPDATE webhook_deliveries SET lane = 1 FROM waiting WHERE webhook_deliveries.id = waiting.id
    RETURNING endpoint_id, lane, due_at
),
{LOOK_AGAIN}
SELECT count(*) FROM freed
""")
# What nobody would look at before its time, or ever. There is no way to get there that we know of.
_FIND_OVERLOOKED = text("""
WITH overlooked AS (
    SELECT health.endpoint_id
    FROM webhook_endpoint_health AS health
    JOIN webhook_endpoints AS endpoint ON endpoint.id = health.endpoint_id AND endpoint.status = 'enabled'
    CROSS JOIN LATERAL (
        SELECT due_at FROM webhook_deliveries AS delivery
        WHERE delivery.endpoint_id = health.endpoint_id AND delivery.lane = 1
            AND delivery.due_at IS NOT NULL AND delivery.worker_id IS NULL
        ORDER BY due_at LIMIT 1
    ) AS oldest
    WHERE oldest.due_at < now() - interval '10 seconds'
        AND coalesce(health.look_at, 'infinity') > now() + interval '10 seconds'
        AND coalesce(health.blocked_until, '-infinity') < now()
    ORDER BY health.endpoint_id
    FOR NO KEY UPDATE OF health SKIP LOCKED
)
UPDATE webhook_endpoint_health AS health SET revision = health.revision + 1, look_at = now()
FROM overlooked WHERE health.endpoint_id = overlooked.endpoint_id
RETURNING health.endpoint_id
""")
# By the two ways in which a claim finds them, for a million that are not due must cost nothing.
_MEASURE_DUE = text("""
SELECT count(*) AS due_count, coalesce(extract(epoch FROM now() - min(due.due_at)), 0) AS oldest_seconds
FROM (
    (
        SELECT endpoint_id, due_at FROM webhook_deliveries
        WHERE lane = 0 AND due_at IS NOT NULL AND worker_id IS NULL
        LIMIT 100000
    )
    UNION ALL
    (
        SELECT late.endpoint_id, late.due_at
        FROM webhook_endpoint_health AS health
        CROSS JOIN LATERAL (
            SELECT endpoint_id, due_at FROM webhook_deliveries AS delivery
            WHERE delivery.endpoint_id = health.endpoint_id AND delivery.lane = 1
                AND delivery.due_at <= now() AND delivery.worker_id IS NULL
            ORDER BY delivery.due_at
            LIMIT 100000
        ) AS late
        WHERE health.look_at <= now()
        LIMIT 100000
    )
) AS due
JOIN webhook_endpoints AS endpoint ON endpoint.id = due.endpoint_id AND endpoint.status = 'enabled'
JOIN webhook_endpoint_health AS health ON health.endpoint_id = due.endpoint_id
WHERE due.due_at <= now() AND coalesce(health.blocked_until, '-infinity') <= now()
""")


async def free_delivery_leases(connection: Connection, *, lease_limit_seconds: float, most: int = 1000) -> int:
    """Free the leases of silent workers and of forgotten jobs; how many there were."""
    parameters = {"grace_seconds": 0, "lease_limit_seconds": lease_limit_seconds, "most": most}
    freed: int = await connection.scalar(_FREE, parameters)
    return freed


async def release_delivery_leases(connection: Connection, worker_id: str) -> int:
    """Give back what a stopping worker still holds; how many there were."""
    freed: int = await connection.scalar(_RELEASE, {"worker_id": worker_id})
    return freed


async def defer_blocked_deliveries(connection: Connection, *, most: int = 1000) -> int:
    """Move first attempts out of the way of others while their endpoint's breaker is open; how many there were."""
    deferred: int = await connection.scalar(_DEFER_BLOCKED, {"most": most})
    return deferred


async def find_overlooked_endpoints(connection: Connection) -> list[str]:
    """Have those endpoints looked at whose due deliveries nobody would find; which there were."""
    return [row.endpoint_id for row in await connection.execute(_FIND_OVERLOOKED)]


async def measure_due_deliveries(connection: Connection) -> tuple[int, float]:
    """How many deliveries could go and nobody holds, and the oldest for how many seconds. Counts to 200,000 at most."""
    row = (await connection.execute(_MEASURE_DUE)).one()
    return row.due_count, float(row.oldest_seconds)

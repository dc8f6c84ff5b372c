"""The statement by which dispatchers share out what is due. All times here are the database's."""

from typing import Final

from sqlalchemy import text

from gateway_common.db.database import Connection
from gateway_common.webhooks.model import ClaimedDelivery

ENDPOINTS_MOST: Final = 256
"""So many endpoints of each lane are asked in one claim, drawn by lot if there are more."""

# Where to look. `fresh` walks the index of first attempts from endpoint to endpoint, one probe each, so a hundred
# thousand rows of one endpoint are passed over in a step; whatever waits for a time is not looked at before `look_at`.
# An array, for of an array the planner expects few, and goes by the indexes however many endpoints there are.
_LOOK: Final = """
fresh AS (
    (
        SELECT endpoint_id FROM webhook_deliveries
        WHERE lane = 0 AND due_at IS NOT NULL AND worker_id IS NULL
        ORDER BY endpoint_id LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT delivery.endpoint_id FROM webhook_deliveries AS delivery
        WHERE delivery.lane = 0 AND delivery.due_at IS NOT NULL AND delivery.worker_id IS NULL
            AND delivery.endpoint_id > fresh.endpoint_id
        ORDER BY delivery.endpoint_id LIMIT 1
    )
    FROM fresh
    WHERE fresh.endpoint_id IS NOT NULL
),
seen AS MATERIALIZED (
    SELECT endpoint_id, revision FROM webhook_endpoint_health
    WHERE endpoint_id = ANY (ARRAY(
        (SELECT endpoint_id FROM fresh WHERE endpoint_id IS NOT NULL ORDER BY random() LIMIT :endpoints_most)
        UNION
        (SELECT endpoint_id FROM webhook_endpoint_health WHERE look_at <= now() ORDER BY random() LIMIT :endpoints_most)
    ))
)
"""
# How much each endpoint may take. Its row is locked, so that the cap, the rate and the breaker hold for all dispatchers
# together; one that another dispatcher holds, or changed since this statement began, is left to the next look.
_PLACES: Final = """
mine AS MATERIALIZED (
    SELECT
        health.endpoint_id, health.look_at, health.allowance, health.blocked_until, health.refilled_at,
        health.consecutive_failures, health.last_success_at, endpoint.rate_limit_per_second AS rate,
        coalesce(endpoint.max_in_flight, :in_flight_most) AS in_flight_most,
        least(
            health.tokens + endpoint.rate_limit_per_second * extract(epoch FROM now() - health.refilled_at),
            1 + endpoint.rate_limit_per_second * :burst_seconds
        ) AS tokens
    FROM seen
    JOIN webhook_endpoint_health AS health
        ON health.endpoint_id = seen.endpoint_id AND health.revision = seen.revision
    JOIN webhook_endpoints AS endpoint ON endpoint.id = seen.endpoint_id AND endpoint.status = 'enabled'
    FOR NO KEY UPDATE OF health SKIP LOCKED
    FOR KEY SHARE OF endpoint SKIP LOCKED
),
line AS MATERIALIZED (
    SELECT
        mine.*, busy.count AS busy,
        CASE WHEN mine.blocked_until > now() THEN 0 ELSE greatest(0, least(
            floor(mine.tokens), least(mine.allowance, mine.in_flight_most) - busy.count
        ))::integer END AS places
    FROM mine
    CROSS JOIN LATERAL (
        SELECT count(*) FROM webhook_deliveries AS delivery
        WHERE delivery.endpoint_id = mine.endpoint_id AND delivery.worker_id IS NOT NULL
    ) AS busy
)
"""
# What they take. At an endpoint a retry stands in line as if it had become due a minute later. Among endpoints each
# gives its first, then each its second, and what one has in flight counts as given: else a few slow endpoints with a
# backlog would take every place that comes free. Of five first attempts and retries that compete one is a retry, by lot
# where places are fewer: else none would go while places come free one by one. The first of lane 1 that must stay
# behind is looked at too: it says when to look again.
_PICK: Final = """
candidate AS MATERIALIZED (
    SELECT line.endpoint_id, line.places, line.busy, waiting.*
    FROM line
    CROSS JOIN LATERAL (
        SELECT standing.*, row_number() OVER (ORDER BY due_at + lane * interval '1 minute', id) AS place
        FROM (
            (
                SELECT id, lane, due_at FROM webhook_deliveries AS delivery
                WHERE delivery.endpoint_id = line.endpoint_id AND delivery.lane = 0
                    AND delivery.due_at IS NOT NULL AND delivery.worker_id IS NULL
                ORDER BY delivery.due_at LIMIT least(line.places, :most)
            )
            UNION ALL
            (
                SELECT id, lane, due_at FROM webhook_deliveries AS delivery
                WHERE delivery.endpoint_id = line.endpoint_id AND delivery.lane = 1
                    AND delivery.due_at <= now() AND delivery.worker_id IS NULL
                ORDER BY delivery.due_at LIMIT least(line.places, :most) + 1
            )
            UNION ALL
            (
                SELECT id, lane, due_at FROM webhook_deliveries AS delivery
                WHERE delivery.endpoint_id = line.endpoint_id AND delivery.lane = 1
                    AND delivery.due_at > now() AND delivery.worker_id IS NULL
                ORDER BY delivery.due_at LIMIT 1
            )
        ) AS standing
    ) AS waiting
),
picked AS (
    SELECT id FROM (
        SELECT
            id, due_at,
            row_number() OVER (PARTITION BY lane ORDER BY place + busy, due_at) * (1 + 3 * lane)
                - 4 * lane * (SELECT random()) AS turn
        FROM candidate WHERE due_at <= now() AND place <= places
    ) AS standing
    ORDER BY turn, due_at
    LIMIT :most
),
locked AS (
    SELECT delivery.id FROM webhook_deliveries AS delivery
    WHERE delivery.id IN (SELECT id FROM picked) AND delivery.worker_id IS NULL AND delivery.due_at <= now()
    FOR NO KEY UPDATE OF delivery SKIP LOCKED
),
claimed AS (
    UPDATE webhook_deliveries SET worker_id = :worker_id, leased_at = now(), claim = claim + 1
    FROM locked
    WHERE webhook_deliveries.id = locked.id
    RETURNING webhook_deliveries.*
)
"""
# What is left. `look_at` is when the next of lane 1 falls due, or later if breaker or rate do not let it go before.
_NOTE: Final = """
left_over AS (
    SELECT
        line.endpoint_id, coalesce(taken.count, 0) AS taken, line.tokens - coalesce(taken.count, 0) AS tokens,
        CASE WHEN next.due_at IS NOT NULL THEN greatest(
            next.due_at,
            CASE WHEN line.blocked_until > now() THEN line.blocked_until END,
            CASE WHEN line.tokens - coalesce(taken.count, 0) < 1 THEN
                now() + make_interval(secs => (1 - line.tokens + coalesce(taken.count, 0)) / line.rate)
            END
        ) END AS look_at
    FROM line
    LEFT JOIN (SELECT endpoint_id, count(*) FROM claimed GROUP BY endpoint_id) AS taken USING (endpoint_id)
    LEFT JOIN (
        SELECT endpoint_id, min(due_at) AS due_at FROM candidate
        WHERE lane = 1 AND id NOT IN (SELECT id FROM claimed)
        GROUP BY endpoint_id
    ) AS next USING (endpoint_id)
),
noted AS (
    UPDATE webhook_endpoint_health AS health SET
        revision = health.revision + 1,
        look_at = left_over.look_at,
        tokens = coalesce(left_over.tokens, health.tokens),
        refilled_at = now()
    FROM left_over
    WHERE health.endpoint_id = left_over.endpoint_id
        AND (left_over.taken > 0 OR left_over.look_at IS DISTINCT FROM health.look_at)
)
"""
_CLAIM = text(f"""
WITH RECURSIVE {_LOOK}, {_PLACES}, {_PICK}, {_NOTE}
SELECT
    claimed.id, claimed.claim, claimed.attempts, claimed.schedule_from, claimed.event_id, event.type AS event_type,
    event.body, event.traceparent, claimed.endpoint_id, claimed.livemode, endpoint.url, endpoint.sealed_secret,
    CASE WHEN endpoint.old_secret_until > now() THEN endpoint.sealed_old_secret END AS sealed_old_secret,
    endpoint.promoted_at IS NOT NULL AS promoted, endpoint.sealed_headers, endpoint.timeout_seconds,
    endpoint.retry_tail,
    line.consecutive_failures > 0 OR line.allowance IS NOT NULL
        OR coalesce(line.last_success_at, '-infinity') < now() - interval '1 minute' AS noteworthy,
    count(*) OVER (PARTITION BY claimed.endpoint_id) >= line.places AS at_limit
FROM claimed
JOIN line ON line.endpoint_id = claimed.endpoint_id
JOIN events AS event ON event.id = claimed.event_id
JOIN webhook_endpoints AS endpoint ON endpoint.id = claimed.endpoint_id
""")


async def claim_deliveries(
    connection: Connection, worker_id: str, *, most: int, in_flight_most: int, burst_seconds: float = 0.1
) -> list[ClaimedDelivery]:
    """Take the leases of due deliveries, spread over endpoints, each within its cap, its rate and its breaker.

    `in_flight_most` is the cap of endpoints that have none of their own. `burst_seconds` is how long a dispatcher may
    sleep: what a rate allows in that time is not lost.
    """
    parameters = {
        "worker_id": worker_id,
        "most": most,
        "in_flight_most": in_flight_most,
        "endpoints_most": ENDPOINTS_MOST,
        "burst_seconds": burst_seconds,
    }
    return [ClaimedDelivery(**row._asdict()) for row in await connection.execute(_CLAIM, parameters)]

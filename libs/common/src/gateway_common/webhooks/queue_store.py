"""Every SQL statement of deliveries as work: claims, outcomes, leases. All times here are the database's."""

from collections.abc import Sequence

import orjson
from sqlalchemy import text

from gateway_common.db.database import Connection
from gateway_common.webhooks.model import ClaimedDelivery
from gateway_common.webhooks.outcome import DeliveryOutcome
from gateway_common.workers.store import LEASE_IS_FREE

# `waiting` walks the index from endpoint to endpoint, one probe each, so a hundred thousand due rows of one endpoint
# are passed over in a step. Then every endpoint gives its oldest rows, up to its free places, in turns.
_CLAIM = text("""
WITH RECURSIVE waiting AS (
    (
        SELECT endpoint_id FROM webhook_deliveries
        WHERE due_at IS NOT NULL AND worker_id IS NULL
        ORDER BY endpoint_id LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT delivery.endpoint_id FROM webhook_deliveries AS delivery
        WHERE delivery.due_at IS NOT NULL AND delivery.worker_id IS NULL
            AND delivery.endpoint_id > waiting.endpoint_id
        ORDER BY delivery.endpoint_id LIMIT 1
    )
    FROM waiting
    WHERE waiting.endpoint_id IS NOT NULL
),
due AS (
    SELECT delivery.id, row_number() OVER (PARTITION BY delivery.endpoint_id ORDER BY delivery.due_at) AS turn
    FROM waiting
    JOIN webhook_endpoints AS endpoint ON endpoint.id = waiting.endpoint_id AND endpoint.status = 'enabled'
    CROSS JOIN LATERAL (
        SELECT candidate.id, candidate.endpoint_id, candidate.due_at
        FROM webhook_deliveries AS candidate
        WHERE candidate.endpoint_id = waiting.endpoint_id AND candidate.worker_id IS NULL
            AND candidate.due_at <= now()
        ORDER BY candidate.due_at
        LIMIT least(:most, greatest(0, :most_per_endpoint - (
            SELECT count(*) FROM webhook_deliveries AS busy
            WHERE busy.endpoint_id = waiting.endpoint_id AND busy.worker_id = :worker_id
        )))
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS delivery
),
chosen AS (SELECT id FROM due ORDER BY turn, id LIMIT :most),
claimed AS (
    UPDATE webhook_deliveries SET worker_id = :worker_id, leased_at = now(), claim = claim + 1
    FROM chosen
    WHERE webhook_deliveries.id = chosen.id
    RETURNING webhook_deliveries.*
)
SELECT
    claimed.id, claimed.claim, claimed.attempts, claimed.event_id, event.type AS event_type, event.body,
    event.traceparent, claimed.endpoint_id, claimed.livemode, endpoint.url, endpoint.sealed_secret
FROM claimed
JOIN events AS event ON event.id = claimed.event_id
JOIN webhook_endpoints AS endpoint ON endpoint.id = claimed.endpoint_id
""")
_RECORD = text("""
WITH input AS (
    SELECT * FROM jsonb_to_recordset(CAST(:outcomes AS jsonb)) AS row (
        id text, claim integer, status text, due_in_seconds double precision, number integer,
        started_at timestamptz, duration_ms integer, response_status smallint, response_body text, error text
    )
),
locked AS (
    SELECT delivery.id
    FROM webhook_deliveries AS delivery JOIN input ON input.id = delivery.id
    WHERE delivery.claim = input.claim AND delivery.status = 'pending'
    ORDER BY delivery.id
    FOR NO KEY UPDATE OF delivery
),
recorded AS (
    UPDATE webhook_deliveries SET
        status = input.status, attempts = input.number, due_at = now() + make_interval(secs => input.due_in_seconds),
        worker_id = NULL, leased_at = NULL, last_response_status = input.response_status,
        last_error = input.error, updated_at = now()
    FROM input
    WHERE webhook_deliveries.id = input.id AND input.id IN (SELECT id FROM locked)
    RETURNING webhook_deliveries.id
),
attempt AS (
    INSERT INTO webhook_attempts (
        delivery_id, number, started_at, duration_ms, response_status, response_body, error
    )
    SELECT id, number, started_at, duration_ms, response_status, decode(response_body, 'hex'), error
    FROM input
    WHERE id IN (SELECT id FROM recorded)
)
SELECT id FROM recorded
""")
_CANCEL_DELETED = text("""
WITH waiting AS (
    SELECT delivery.id
    FROM webhook_deliveries AS delivery
    JOIN webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id AND endpoint.status = 'deleted'
    WHERE delivery.due_at IS NOT NULL AND delivery.worker_id IS NULL
    ORDER BY delivery.id
    LIMIT :most
    FOR NO KEY UPDATE OF delivery SKIP LOCKED
)
UPDATE webhook_deliveries SET status = 'cancelled', due_at = NULL, updated_at = now()
FROM waiting WHERE webhook_deliveries.id = waiting.id
""")
_FREE = text(f"""
WITH free AS (
    SELECT id FROM webhook_deliveries
    WHERE worker_id IS NOT NULL AND ({LEASE_IS_FREE})
    ORDER BY id
    LIMIT :most
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE webhook_deliveries SET worker_id = NULL, leased_at = NULL FROM free WHERE webhook_deliveries.id = free.id
""")
_RELEASE = text("""
WITH mine AS (SELECT id FROM webhook_deliveries WHERE worker_id = :worker_id ORDER BY id FOR NO KEY UPDATE)
UPDATE webhook_deliveries SET worker_id = NULL, leased_at = NULL FROM mine WHERE webhook_deliveries.id = mine.id
""")
_MEASURE_DUE = text("""
SELECT count(*) AS due_count, coalesce(extract(epoch FROM now() - min(due_at)), 0) AS oldest_seconds
FROM (
    SELECT due_at
    FROM webhook_deliveries AS delivery
    JOIN webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id AND endpoint.status = 'enabled'
    WHERE delivery.worker_id IS NULL AND due_at <= now()
    LIMIT 100000
) AS due
""")


async def claim_deliveries(
    connection: Connection, worker_id: str, *, most: int, most_per_endpoint: int
) -> list[ClaimedDelivery]:
    """Take the leases of due deliveries, spread over endpoints, none above its cap in flight at this worker."""
    parameters = {"worker_id": worker_id, "most": most, "most_per_endpoint": most_per_endpoint}
    return [ClaimedDelivery(**row._asdict()) for row in await connection.execute(_CLAIM, parameters)]


async def record_outcomes(connection: Connection, outcomes: Sequence[DeliveryOutcome]) -> list[bool]:
    """Write attempts and what follows from them; False where the claim was lost or the delivery cancelled."""
    rows = [_outcome_row(outcome) for outcome in outcomes]
    result = await connection.execute(_RECORD, {"outcomes": orjson.dumps(rows).decode()})
    recorded = {row.id for row in result}
    return [outcome.delivery.id in recorded for outcome in outcomes]


def _outcome_row(outcome: DeliveryOutcome) -> dict[str, object]:
    delivery, result = outcome.delivery, outcome.result
    return {
        "id": delivery.id,
        "claim": delivery.claim,
        "status": outcome.status,
        "due_in_seconds": outcome.due_in_seconds,
        "number": delivery.attempts + 1,
        "started_at": result.started_at,
        "duration_ms": result.duration_ms,
        "response_status": result.response_status,
        "response_body": result.response_body.hex(),
        "error": result.error,
    }


async def free_delivery_leases(connection: Connection, *, lease_limit_seconds: float, most: int = 1000) -> int:
    """Free the leases of silent workers and of forgotten jobs; how many there were."""
    parameters = {
        "grace_seconds": 0,
        "lease_limit_seconds": lease_limit_seconds,
        "most": most,
    }
    return (await connection.execute(_FREE, parameters)).rowcount


async def cancel_deliveries_of_deleted(connection: Connection, *, most: int = 1000) -> int:
    """Cancel what still waits for deleted endpoints because who deleted them died before; how many there were."""
    return (await connection.execute(_CANCEL_DELETED, {"most": most})).rowcount


async def release_delivery_leases(connection: Connection, worker_id: str) -> int:
    """Give back what a stopping worker still holds; how many there were."""
    return (await connection.execute(_RELEASE, {"worker_id": worker_id})).rowcount


async def measure_due_deliveries(connection: Connection) -> tuple[int, float]:
    """How many deliveries are due and unheld, and for how many seconds the oldest is. Counts to 100,000 at most."""
    row = (await connection.execute(_MEASURE_DUE)).one()
    return row.due_count, float(row.oldest_seconds)

"""Every SQL statement that records what attempts brought. All times here but an attempt's start are the database's."""

from collections.abc import Sequence

import orjson
from sqlalchemy import text

from gateway_common.db.database import Connection
from gateway_common.webhooks.claim_store import LOOK_AGAIN
from gateway_common.webhooks.outcome import DeliveryOutcome

_RECORD = text(f"""
WITH input AS (
    SELECT * FROM jsonb_to_recordset(CAST(:outcomes AS jsonb)) AS row (
        id text, claim integer, status text, due_in_seconds double precision, number integer, started_at timestamptz,
        duration_ms integer, dns_ms integer, connect_ms integer, tls_ms integer, wait_ms integer, read_ms integer,
        request_headers jsonb, response_status smallint, response_body text, reason text, error text
    )
),
-- Not the outcome of a lease that was lost, and none twice: a first answer of PostgreSQL's may have been lost.
locked AS (
    SELECT delivery.id, delivery.claim
    FROM webhook_deliveries AS delivery JOIN input ON input.id = delivery.id
    -- By their ids, whatever the planner thinks of how few are pending: it would read the table and compare all pairs.
    WHERE delivery.id = ANY (ARRAY(SELECT id FROM input))
        AND delivery.claim = input.claim AND delivery.attempts = input.number - 1 AND delivery.status = 'pending'
    ORDER BY delivery.id
    FOR NO KEY UPDATE OF delivery
),
freed AS (
    UPDATE webhook_deliveries SET
        status = input.status, attempts = input.number, due_at = now() + make_interval(secs => input.due_in_seconds),
        lane = 1, worker_id = NULL, leased_at = NULL, last_response_status = input.response_status,
        last_error = input.error, updated_at = now()
    FROM input JOIN locked USING (id, claim)
    WHERE webhook_deliveries.id = input.id
    RETURNING
        webhook_deliveries.id, webhook_deliveries.claim, webhook_deliveries.endpoint_id, webhook_deliveries.lane,
        webhook_deliveries.due_at
),
attempt AS (
    INSERT INTO webhook_attempts (
        delivery_id, number, started_at, duration_ms, dns_ms, connect_ms, tls_ms, wait_ms, read_ms,
        request_headers, response_status, response_body, reason, error
    )
    SELECT
        id, number, started_at, duration_ms, dns_ms, connect_ms, tls_ms, wait_ms, read_ms,
        request_headers, response_status, decode(response_body, 'hex'), reason, error
    FROM input
    WHERE (id, claim) IN (SELECT id, claim FROM freed)
),
{LOOK_AGAIN}
SELECT id, claim FROM freed
""")


async def record_outcomes(connection: Connection, outcomes: Sequence[DeliveryOutcome]) -> list[bool]:
    """Write attempts and what follows from them; False where the claim was lost or the delivery cancelled."""
    rows = [_outcome_row(outcome) for outcome in outcomes]
    result = await connection.execute(_RECORD, {"outcomes": orjson.dumps(rows).decode()})
    recorded = {(row.id, row.claim) for row in result}
    return [(outcome.delivery.id, outcome.delivery.claim) in recorded for outcome in outcomes]


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
        "dns_ms": result.phases.dns_ms,
        "connect_ms": result.phases.connect_ms,
        "tls_ms": result.phases.tls_ms,
        "wait_ms": result.phases.wait_ms,
        "read_ms": result.phases.read_ms,
        "request_headers": outcome.request_headers,
        "response_status": result.response_status,
        "response_body": result.response_body.hex(),
        "reason": result.reason,
        "error": result.error,
    }

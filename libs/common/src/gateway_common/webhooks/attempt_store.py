"""Every SQL statement that reads attempts for a merchant; outcome_store.py writes them."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text

from gateway_common.db.database import Connection
from gateway_common.webhooks.attempts import WebhookAttempt
from gateway_common.webhooks.outcome import FailureReason, Phases

ATTEMPTS_MOST: Final = 100

# No attempt is older than its delivery: months before that are not looked at. An hour is for clocks that differ.
_LIST_ATTEMPTS = text("""
SELECT
    number, started_at, duration_ms, dns_ms, connect_ms, tls_ms, wait_ms, read_ms, request_headers, response_status,
    response_body, reason, error
FROM webhook_attempts
WHERE delivery_id = :id AND started_at >= CAST(:created_at AS timestamptz) - interval '1 hour'
ORDER BY number DESC
LIMIT :most
""")


async def list_attempts(connection: Connection, delivery_id: str, created_at: datetime) -> list[WebhookAttempt]:
    """The last attempts at a delivery that was made at this time, newest first."""
    parameters = {"id": delivery_id, "created_at": created_at, "most": ATTEMPTS_MOST}
    return [_attempt(row) for row in await connection.execute(_LIST_ATTEMPTS, parameters)]


def _attempt(row: Row[Any]) -> WebhookAttempt:
    values = row._asdict()
    phases = Phases(**{name: values.pop(name) for name in asdict(Phases())})
    reason = values.pop("reason")
    values["response_body"] = bytes(values["response_body"])
    return WebhookAttempt(**values, phases=phases, reason=reason and FailureReason(reason))

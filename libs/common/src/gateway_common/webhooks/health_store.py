"""Every SQL statement about how endpoints fare. Their rows are the database's to time, and claim_store.py's to read."""

from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import datetime
from typing import Final

import orjson
from sqlalchemy import text

from gateway_common.db.database import Connection
from gateway_common.webhooks.health import DISABLE_AFTER, OPEN_AFTER_FAILURES, EndpointHealth

_COLUMNS: Final = [field.name for field in fields(EndpointHealth)]
_LOCK = text(f"""
SELECT now() AS now, {", ".join(_COLUMNS)}
FROM webhook_endpoint_health
WHERE endpoint_id = ANY (:endpoint_ids)
ORDER BY endpoint_id
FOR NO KEY UPDATE
""")
_SAVE = text(f"""
UPDATE webhook_endpoint_health AS health SET
    revision = health.revision + 1,
    {", ".join(f"{name} = input.{name}" for name in _COLUMNS if name != "endpoint_id")},
    -- What was put off until the end of a pause can go, if the pause ends early.
    look_at = CASE
        WHEN health.blocked_until > coalesce(input.blocked_until, '-infinity') THEN now() ELSE health.look_at
    END
FROM jsonb_to_recordset(CAST(:healths AS jsonb)) AS input (
    endpoint_id text, consecutive_failures integer, failing_since timestamptz, last_attempt_at timestamptz,
    last_success_at timestamptz, blocked_until timestamptz, allowance integer, trips integer
)
WHERE health.endpoint_id = input.endpoint_id
""")
# A breaker that has let one delivery through again blocks nothing.
_READ = text(f"""
SELECT
    {", ".join(name for name in _COLUMNS if name != "blocked_until")},
    CASE WHEN blocked_until > now() THEN blocked_until END AS blocked_until
FROM webhook_endpoint_health
WHERE endpoint_id = :endpoint_id
""")
_FIND_FAILING = text("""
SELECT endpoint_id FROM webhook_endpoint_health
WHERE failing_since < now() - make_interval(secs => :failing_seconds)
    AND last_attempt_at - failing_since >= make_interval(secs => :failing_seconds)
    AND consecutive_failures >= :failures
ORDER BY endpoint_id
LIMIT :most
""")


async def lock_healths(
    connection: Connection, endpoint_ids: Iterable[str]
) -> tuple[datetime, dict[str, EndpointHealth]]:
    """The rows of these endpoints (at least one), locked in the caller's transaction, and the database's time."""
    rows = (await connection.execute(_LOCK, {"endpoint_ids": sorted(set(endpoint_ids))})).mappings().all()
    found = {row["endpoint_id"]: EndpointHealth(**{name: row[name] for name in _COLUMNS}) for row in rows}
    return rows[0]["now"], found


async def save_healths(connection: Connection, healths: Iterable[EndpointHealth]) -> None:
    """Write rows that the caller has locked."""
    rows = [asdict(health) for health in healths]
    await connection.execute(_SAVE, {"healths": orjson.dumps(rows).decode()})


async def read_health(connection: Connection, endpoint_id: str) -> EndpointHealth:
    """How the endpoint fares at this moment; every endpoint has its row."""
    return EndpointHealth(**(await connection.execute(_READ, {"endpoint_id": endpoint_id})).one()._asdict())


async def list_failing_endpoints(connection: Connection, *, most: int = 100) -> list[str]:
    """Endpoints of which nothing but failures came for so long that they are to be disabled."""
    parameters = {"failing_seconds": DISABLE_AFTER.total_seconds(), "failures": OPEN_AFTER_FAILURES, "most": most}
    return [row.endpoint_id for row in await connection.execute(_FIND_FAILING, parameters)]

"""Every SQL statement of callbacks. All due times here are the database's."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import orjson
from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import insert

from gateway_common.callbacks.model import Callback, DueCallback, HandledCallback
from gateway_common.callbacks.tables import provider_callbacks
from gateway_common.db.database import Connection

AGAIN_SECONDS: Final = 1.0
"""A callback whose payment is under lease waits for the lease's end, so long each time, and is never given up."""
KEPT_DAYS: Final = 30
"""A provider sends no copy of one that is older, and one about an old payment changes nothing twice anyway."""

_LOCK_DUE = text("""
SELECT id, provider, payment_id FROM provider_callbacks
WHERE due_at <= now()
ORDER BY due_at
LIMIT :most
FOR NO KEY UPDATE SKIP LOCKED
""")
_RECORD = text("""
UPDATE provider_callbacks SET
    outcome = input.outcome, attempts = attempts + 1,
    due_at = CASE WHEN input.outcome IS NULL THEN now() + make_interval(secs => :again_seconds) END,
    handled_at = CASE WHEN input.outcome IS NOT NULL THEN now() END
FROM jsonb_to_recordset(CAST(:handled AS jsonb)) AS input (id text, outcome text)
WHERE provider_callbacks.id = input.id
""")
_DELETE_OLD = text("""
DELETE FROM provider_callbacks WHERE id IN (
    SELECT id FROM provider_callbacks
    WHERE received_at < now() - make_interval(days => :days) AND handled_at IS NOT NULL
    ORDER BY received_at
    LIMIT :most
    FOR UPDATE SKIP LOCKED
)
""")
_MEASURE_DUE = text("""
SELECT count(*) AS due_count, coalesce(extract(epoch FROM now() - min(due_at)), 0) AS oldest_seconds
FROM (SELECT due_at FROM provider_callbacks WHERE due_at <= now() ORDER BY due_at LIMIT 100000) AS due
""")


async def insert_callbacks(connection: Connection, callbacks: Sequence[Callback]) -> int:
    """Keep callbacks, due at once; how many were new. A second copy, by the provider's own name for it, is not kept."""
    if not callbacks:
        return 0
    # In one order, so that two batches can't wait for each other's copies in a ring.
    rows = [
        {**asdict(callback), "due_at": func.now()}
        for callback in sorted(callbacks, key=lambda each: (each.provider, each.event_id))
    ]
    statement = (
        insert(provider_callbacks)
        .values(rows)
        .on_conflict_do_nothing(index_elements=[provider_callbacks.c.provider, provider_callbacks.c.event_id])
        .returning(provider_callbacks.c.id)
    )
    return len((await connection.execute(statement)).all())


async def lock_due_callbacks(connection: Connection, *, most: int) -> list[DueCallback]:
    """Due callbacks, locked until the transaction ends: whoever dies with it leaves them due."""
    return [DueCallback(**row._asdict()) for row in await connection.execute(_LOCK_DUE, {"most": most})]


async def record_callbacks(connection: Connection, handled: Sequence[HandledCallback]) -> None:
    """Write what became of callbacks that the caller's transaction has locked."""
    parameters = {"handled": orjson.dumps(handled).decode(), "again_seconds": AGAIN_SECONDS}
    await connection.execute(_RECORD, parameters)


async def delete_old_callbacks(connection: Connection, *, most: int = 1000) -> int:
    """Forget handled callbacks of more than 30 days ago; how many there were."""
    return (await connection.execute(_DELETE_OLD, {"days": KEPT_DAYS, "most": most})).rowcount


async def measure_due_callbacks(connection: Connection) -> tuple[int, float]:
    """How many callbacks are due, and for how many seconds the oldest is. Counts to 100,000 at most."""
    row = (await connection.execute(_MEASURE_DUE)).one()
    return row.due_count, float(row.oldest_seconds)

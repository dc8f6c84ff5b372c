"""Every SQL statement of callbacks. All due times here are the database's."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert

from gateway_common.callbacks.model import Callback
from gateway_common.callbacks.tables import provider_callbacks
from gateway_common.db.database import Connection


async def insert_callbacks(connection: Connection, callbacks: Sequence[Callback]) -> int:
    """Keep callbacks, due at once; how many were new. A second copy, by the provider's own name for it, is not kept."""
    # In one order, so that two batches can't wait for each other's copies in a ring.
    rows = [
        {**asdict(callback), "due_at": func.now()}
        for callback in sorted(callbacks, key=lambda each: (each.provider, each.event_id))
    ]
    statement = insert(provider_callbacks).on_conflict_do_nothing(
        index_elements=[provider_callbacks.c.provider, provider_callbacks.c.event_id]
    )
    return (await connection.execute(statement.values(rows))).rowcount if rows else 0

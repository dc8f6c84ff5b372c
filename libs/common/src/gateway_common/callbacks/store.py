"""Every SQL statement of providers' callbacks."""

import base64
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import text

from gateway_common.callbacks.model import Callback
from gateway_common.db.database import Connection

_INSERT = text("""
INSERT INTO provider_callbacks (id, provider, event_id, payment_id, body, received_at, due_at)
SELECT id, provider, event_id, payment_id, decode(body, 'base64'), received_at, now()
FROM jsonb_to_recordset(CAST(:callbacks AS jsonb))
    AS row (id text, provider text, event_id text, payment_id text, body text, received_at timestamptz)
ORDER BY provider, event_id
ON CONFLICT (provider, event_id) DO NOTHING
""")


async def insert_callbacks(connection: Connection, callbacks: Sequence[Callback]) -> int:
    """Store callbacks, due at once; how many were new. One whose event is known already is not stored again."""
    rows = [_row(callback) for callback in callbacks]
    return (await connection.execute(_INSERT, {"callbacks": orjson.dumps(rows).decode()})).rowcount


def _row(callback: Callback) -> dict[str, Any]:
    return {
        "id": callback.id,
        "provider": callback.provider,
        "event_id": callback.event_id,
        "payment_id": callback.payment_id,
        "body": base64.b64encode(callback.body).decode(),
        "received_at": callback.received_at,
    }

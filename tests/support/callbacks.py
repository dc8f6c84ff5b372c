"""A provider that signs its callbacks with a word, and what a test reads and plants of callbacks."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tests.support.records import read_rows

from gateway_common.callbacks.model import Callback, ReceivedCallback
from gateway_common.callbacks.store import insert_callbacks
from gateway_common.clock import system_clock
from gateway_common.db.database import Database
from gateway_common.errors import CallbackRefusedError
from gateway_common.ids import CALLBACK, new_id
from gateway_common.providers.model import SIMULATOR

SIGNED = {"X-Signed-By": "the provider"}


class SignedByWord:
    """Reads `{"id": …, "payment": …}`, signed by the header x-signed-by."""

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ReceivedCallback:
        del now
        if headers.get("x-signed-by") != SIGNED["X-Signed-By"]:
            raise CallbackRefusedError("The callback is not signed by the provider.")
        content = json.loads(body)
        return ReceivedCallback(event_id=content["id"], payment_id=content.get("payment"))


async def call_back(
    database: Database, payment_id: str | None, *, event_id: str | None = None, provider: str = SIMULATOR
) -> int:
    """Store a callback as the API does; how many were new."""
    now = system_clock()
    callback_id = new_id(CALLBACK, now)
    callback = Callback(
        id=callback_id,
        provider=provider,
        event_id=event_id or f"event of {callback_id}",
        payment_id=payment_id,
        body=b"whatever it says",
        received_at=now,
    )
    async with database.statement() as connection:
        return await insert_callbacks(connection, [callback])


async def read_callbacks(database: Database) -> list[dict[str, Any]]:
    """All callbacks as they came, with the seconds until they are due."""
    query = """
    SELECT *, extract(epoch FROM due_at - now())::float AS due_in_seconds FROM provider_callbacks ORDER BY id
    """
    return await read_rows(database, query)


async def read_outcomes(database: Database) -> list[str | None]:
    """What became of each callback, in order."""
    return [row["outcome"] for row in await read_callbacks(database)]

"""When keys were last used: noted in memory by each request, written now and then by a task beside them."""

import asyncio
import contextlib
from datetime import datetime
from typing import Final

from gateway_common.db.database import Database, DatabaseUnavailableError, StatementRefusedError
from gateway_common.merchants.model import ApiKey, KeyUse, is_use_worth_noting
from gateway_common.merchants.store import record_key_uses
from gateway_common.workers.loops import repeat

FLUSH_SECONDS: Final = 10.0
LAST_FLUSH_SECONDS: Final = 2.0
"""A database that hangs does not hold up the end of the process."""
NOTED_MOST: Final = 10_000
"""More keys than one process sees in an outage. One that finds no room is noted at a later use."""


class KeyUses:
    """One note per key. A database that is away costs freshness only: notes wait for it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[str, KeyUse] = {}

    def note(self, key: ApiKey, now: datetime) -> None:
        """Note that the key is used, unless a minute has not passed since what is stored."""
        if is_use_worth_noting(key, now):
            self._put(key, now, None)

    def note_renewal(self, key: ApiKey, now: datetime, renewed_hash: str) -> None:
        """Note the hash by the current master key, for one that an older master key made."""
        self._put(key, now, renewed_hash)

    async def run(self, stop: asyncio.Event) -> None:
        """Write what is noted every few seconds until `stop` is set, and once more then."""
        await repeat("key_uses", self.flush, every_seconds=FLUSH_SECONDS, stop=stop)
        with contextlib.suppress(DatabaseUnavailableError, StatementRefusedError, TimeoutError):
            async with asyncio.timeout(LAST_FLUSH_SECONDS):
                await self.flush()

    async def flush(self) -> None:
        """Write what is noted. What can't be written is noted again, unless a newer note is there."""
        if not self._noted:
            return
        noted, self._noted = self._noted, {}
        try:
            async with self._database.statement() as connection:
                await record_key_uses(connection, list(noted.values()))
        except DatabaseUnavailableError:
            self._noted = noted | self._noted
            raise

    def _put(self, key: ApiKey, now: datetime, renewed_hash: str | None) -> None:
        before = self._noted.get(key.id)
        if before is None and len(self._noted) >= NOTED_MOST:
            return
        if renewed_hash is None and before is not None and before.seen_hash == key.secret_hash:
            renewed_hash = before.renewed_hash
        self._noted[key.id] = KeyUse(key_id=key.id, used_at=now, seen_hash=key.secret_hash, renewed_hash=renewed_hash)

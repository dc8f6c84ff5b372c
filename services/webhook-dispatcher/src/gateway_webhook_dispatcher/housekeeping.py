"""What a dispatcher does beside delivering: it numbers events, and forgets answers that are too old to give again."""

from typing import Final

from gateway_common.clock import Clock
from gateway_common.db.database import Database
from gateway_common.events.sequence_store import BATCH_MOST, number_events
from gateway_common.idempotency.model import KEPT_FOR
from gateway_common.idempotency.store import purge_answers
from gateway_common.workers.lifecycle import Loop

NUMBER_EVERY_SECONDS: Final = 0.25
PURGE_EVERY_SECONDS: Final = 60.0
PURGE_MOST: Final = 1_000


class Housekeeper:
    """Safe in any number of processes: a lock or skipped rows keep them out of each other's way."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def loops(self) -> list[Loop]:
        return [
            Loop(name="number_events", action=self.number_events, every_seconds=NUMBER_EVERY_SECONDS),
            Loop(name="purge_answers", action=self.purge_answers, every_seconds=PURGE_EVERY_SECONDS),
        ]

    async def number_events(self) -> None:
        """Give every committed event its sequence."""
        numbered = BATCH_MOST
        while numbered >= BATCH_MOST:
            async with self._database.transaction() as connection:
                numbered = await number_events(connection)

    async def purge_answers(self) -> None:
        """Forget the answers of idempotency keys that are older than they are kept."""
        purged = PURGE_MOST
        while purged >= PURGE_MOST:
            async with self._database.statement() as connection:
                purged = await purge_answers(connection, before=self._clock() - KEPT_FOR, most=PURGE_MOST)

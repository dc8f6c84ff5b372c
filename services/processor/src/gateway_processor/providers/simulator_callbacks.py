"""Sends the simulator's callbacks when their time has come. Safe in any number of processes."""

from typing import Final

from gateway_common.callbacks.simulated import simulated_callbacks
from gateway_common.callbacks.store import insert_callbacks
from gateway_common.clock import Clock
from gateway_common.db.database import Database
from gateway_common.providers.model import SIMULATOR
from gateway_common.queue.ringer import Ringer
from gateway_common.simulator.store import start_late_successes, take_due_callbacks

SEND_EVERY_SECONDS: Final = 0.5
BATCH_MOST: Final = 200


class SimulatorCallbacks:
    def __init__(self, database: Database, ringer: Ringer, clock: Clock) -> None:
        self._database = database
        self._ringer = ringer
        self._clock = clock

    async def send(self) -> None:
        """Call the gateway about everything that is to be told by now."""
        while await self._send_batch() == BATCH_MOST:
            pass

    async def _send_batch(self) -> int:
        async with self._database.transaction() as connection:
            await start_late_successes(connection, most=BATCH_MOST)
            due = await take_due_callbacks(connection, most=BATCH_MOST)
            now = self._clock()
            callbacks = [copy for each in due for copy in simulated_callbacks(each, provider=SIMULATOR, now=now)]
            if callbacks:
                await insert_callbacks(connection, callbacks)
        if callbacks:
            self._ringer.ring_callbacks()
        return len(due)

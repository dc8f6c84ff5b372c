"""Takes in what providers send: checks who signed it, keeps it, rings. What it means is the processor's to find out."""

from collections.abc import Mapping

from gateway_common.callbacks.model import Callback, CallbackReader
from gateway_common.callbacks.store import insert_callbacks
from gateway_common.clock import Clock
from gateway_common.db.database import Database
from gateway_common.errors import CallbackRefusedError, NotFoundError
from gateway_common.ids import CALLBACK, new_id
from gateway_common.logs import get_logger
from gateway_common.queue.ringer import Ringer
from gateway_common.telemetry import CALLBACKS


class CallbackService:
    """`readers` are those of the providers that are set up, by name."""

    def __init__(self, database: Database, ringer: Ringer, readers: Mapping[str, CallbackReader], clock: Clock) -> None:
        self._database = database
        self._ringer = ringer
        self._readers = readers
        self._clock = clock
        self._log = get_logger()

    def get_reader(self, provider: str) -> CallbackReader:
        """Who reads the provider's callbacks; NotFoundError."""
        reader = self._readers.get(provider)
        if reader is None:
            raise NotFoundError("No provider of this name sends callbacks here.")
        return reader

    async def receive(self, provider: str, headers: Mapping[str, str], body: bytes) -> None:
        """Keep a callback that the provider signed; CallbackRefusedError. A second copy is not kept, and is no error:
        the provider would send it for ever.
        """
        now = self._clock()
        try:
            received = self.get_reader(provider).read(headers, body, now)
        except CallbackRefusedError as error:
            CALLBACKS.labels(provider, "refused").inc()
            # A wrong secret, a wrong clock and a stranger look alike otherwise. The sentence is ours, not the caller's.
            self._log.warning("callback.refused", provider=provider, error=error.message)
            raise
        callback = Callback(
            id=new_id(CALLBACK, now),
            provider=provider,
            event_id=received.event_id,
            payment_id=received.payment_id,
            body=body,
            received_at=now,
        )
        async with self._database.statement() as connection:
            is_new = await insert_callbacks(connection, [callback]) > 0
        CALLBACKS.labels(provider, "received" if is_new else "repeated").inc()
        if is_new:
            self._ringer.ring_callbacks()

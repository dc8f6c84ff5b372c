"""How long each part of one attempt took. The client starts and reads it, the connector notes what it does."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from time import monotonic

from gateway_common.webhooks.outcome import Phases


@dataclass(slots=True)
class Stopwatch:
    """Moments by the monotonic clock; None for what has not happened."""

    started: float = field(default_factory=monotonic)
    dialling: bool = False
    """Whether a connection is being made; a kept one needs none of the next three."""
    resolved: float | None = None
    connected: float | None = None
    secured: float | None = None
    ready: float | None = None
    """When the request could be sent on a connection that was made for it."""
    answered: float | None = None
    ended: float | None = None

    def note_answer(self) -> None:
        self.answered = monotonic()

    def stop(self) -> None:
        self.ended = monotonic()

    @property
    def duration_ms(self) -> int:
        return _milliseconds(self.started, self.ended) or 0

    @property
    def waits_for(self) -> str:
        """What had not come when the deadline passed, as the end of a sentence."""
        if self.answered is not None:
            return "the response began and did not end"
        if not self.dialling or self.ready is not None:
            return "no response came"
        if self.resolved is None:
            return "the name servers did not answer"
        return "no connection came about" if self.connected is None else "the TLS handshake did not end"

    def phases(self) -> Phases:
        return Phases(
            dns_ms=_milliseconds(self.started, self.resolved),
            connect_ms=_milliseconds(self.resolved, self.connected),
            tls_ms=_milliseconds(self.connected, self.secured),
            wait_ms=_milliseconds(self.ready or self.started, self.answered),
            read_ms=_milliseconds(self.answered, self.ended),
        )


STOPWATCH: ContextVar[Stopwatch] = ContextVar("stopwatch")
"""The one of the attempt that runs: aiohttp hands nothing of ours on to its connector."""


def _milliseconds(since: float | None, until: float | None) -> int | None:
    return None if since is None or until is None else round((until - since) * 1000)

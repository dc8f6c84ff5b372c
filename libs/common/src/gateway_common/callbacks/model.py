"""A provider's callback without I/O. It is a doorbell too: the processor asks the provider what is true now.

So callbacks may come twice, late and out of order: they never move a payment by themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class CallbackOutcome(StrEnum):
    """What became of a callback."""

    ASKED = "asked"
    """The payment is due: its provider is asked."""
    RESTING = "resting"
    """The payment takes no news: what the provider was asked for is settled."""
    UNRELATED = "unrelated"
    """It is about no payment of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One callback as it is stored. `event_id` is the provider's own name for it: a second copy is not stored."""

    id: str
    provider: str
    event_id: str
    payment_id: str | None
    """The payment it names, None if it is about none of ours."""
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class DueCallback:
    """What of a stored callback its handler needs."""

    id: str
    provider: str
    payment_id: str | None


@dataclass(frozen=True, slots=True)
class HandledCallback:
    """What a handler made of a callback."""

    id: str
    outcome: CallbackOutcome | None
    """None if somebody is at its payment: it is looked at again when that may have ended."""


@dataclass(frozen=True, slots=True)
class ReceivedCallback:
    """What there is to know of a callback before its payment is looked at."""

    event_id: str
    """The provider's own name for it, the same on every delivery."""
    payment_id: str | None
    """The payment it names, None if it names none of ours."""


class CallbackReader(Protocol):
    """A provider's own way to sign callbacks and to name things in them."""

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ReceivedCallback:
        """The callback; CallbackRefusedError unless the provider signed exactly these bytes not long ago.

        Names of headers are in lower case.
        """
        ...

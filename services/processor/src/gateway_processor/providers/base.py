"""The port to a payment provider: five calls, typed answers. An adapter never raises for what a provider does.

Every call carries our idempotency key, the same for every try, and runs under the caller's deadline: it is cancelled
then, and the outcome is unknown.
"""

from dataclasses import dataclass
from typing import Protocol

from gateway_common.payments.cards import Card


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRequest:
    key: str
    """Our idempotency key. A second request with the same key must do nothing and answer as the first."""
    payment_id: str
    amount_minor: int
    currency: str
    livemode: bool
    vpa: str | None
    card: Card | None = None
    """Only for an authorization by card. Its number and CVC are not in its representation."""


@dataclass(frozen=True, slots=True)
class Approved:
    """The provider did it."""


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider did not and will not do it. `code` is one of ours, `message` may be shown to the customer."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Pending:
    """The provider is at it. `check_in_seconds` is when it will know, None if it can't say."""

    check_in_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """There was no usable answer: it may have been done or not. Only evidence moves the payment on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Only from `status`: the provider never got this request, so it is safe to send it."""


Outcome = Approved | Declined | Pending | Unknown


class Provider(Protocol):
    name: str
    """As the timeline and the record of its answers call it."""

    async def authorize(self, request: ProviderRequest) -> Outcome: ...

    async def capture(self, request: ProviderRequest) -> Outcome: ...

    async def void(self, request: ProviderRequest) -> Outcome: ...

    async def refund(self, request: ProviderRequest) -> Outcome: ...

    async def status(self, key: str) -> Outcome | Missing: ...

"""The port to a payment provider: five calls, typed answers. An adapter never raises for what a provider does.

Every call carries our idempotency key, the same for every try, and a deadline, by which the caller cancels it: the
outcome is unknown then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from gateway_common.payments.cards import Card
from gateway_common.payments.model import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRequest:
    """One thing that is asked of a provider, or asked about."""

    key: str
    """Our idempotency key. A second request with the same key must do nothing and answer as the first."""
    operation: Operation
    """What the key stands for: `status` asks about it."""
    payment_id: str
    amount_minor: int
    currency: str
    livemode: bool
    method: str
    decided_at: datetime
    """Not before this the key was used for the first time. A provider forgets keys after a while."""
    timeout_seconds: float
    """So long the answer is waited for."""
    vpa: str | None = None
    method_details: Mapping[str, Any] = field(default_factory=dict)
    card: Card | None = None
    """Only for an authorization by card. Its number and CVC are not in its representation."""
    reference: str | None = None
    """What the provider calls the payment, if an earlier answer said so."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The merchant's."""


@dataclass(frozen=True, slots=True)
class Approved:
    """The provider did it."""

    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider did not and will not do it. `code` is one of ours, `message` may be shown to the customer."""

    code: str
    message: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Expired:
    """The customer did not answer in time, and the provider asks no longer. Only of an authorization."""

    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The provider is at it, or waits for the customer."""

    check_in_seconds: float | None = None
    """When it will know; None if it can't say."""
    next_action: Mapping[str, Any] | None = None
    """What the customer is to do, as the API shows it."""
    expires_at: datetime | None = None
    """When nobody waits for the customer any longer; None for never."""
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """There was no usable answer: it may have been done or not. Only evidence moves the payment on."""

    reason: str
    reference: str | None = None
    is_down: bool = field(default=True, compare=False)
    """Whether it looks as if the provider does not work; not if it is only this payment of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The request certainly never reached the provider, so nothing was done, and another provider may be asked."""

    reason: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Only from `status`: the provider never got this request, so it is safe to send it."""


Outcome = Approved | Declined | Expired | Pending | Unknown | Unreachable


class Provider(Protocol):
    name: str
    """As routes, timeline and the record of its answers call it."""

    async def authorize(self, request: ProviderRequest) -> Outcome: ...

    async def capture(self, request: ProviderRequest) -> Outcome: ...

    async def void(self, request: ProviderRequest) -> Outcome:
        """Give an authorization back, or take back a request that the customer has not answered."""
        ...

    async def refund(self, request: ProviderRequest) -> Outcome: ...

    async def status(self, request: ProviderRequest) -> Outcome | Missing:
        """What became of the request with this key. Asking changes nothing."""
        ...

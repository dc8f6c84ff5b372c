"""What the simulated provider answers, decided by the values in the request alone, so that tests can choose."""

import random
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

import orjson

from gateway_common.simulator.faults import DELAY_TIMES, NO_FAULTS, FaultPlan, refused_requests


class OperationKind(StrEnum):
    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class SimulatedOutcome(StrEnum):
    APPROVED = "approved"
    PAYMENT_DECLINED = "payment_declined"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    EXPIRED_CARD = "expired_card"
    REFUND_FAILED = "refund_failed"
    EXPIRED = "expired"
    """The customer did not answer in time."""
    WITHDRAWN = "withdrawn"
    """The gateway took the request back before the customer had approved it."""


class UpiApp(StrEnum):
    """Who plays the customer that pays by UPI intent or QR."""

    AUTO = "auto"
    """The simulator, after the usual delay."""
    PAGE = "page"
    """A person, on the bank page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedOperation:
    """One line of the simulator's account. `requests` counts how often it was asked to do this very thing."""

    key: str
    kind: OperationKind
    payment_id: str
    amount_minor: int
    currency: str
    outcome: SimulatedOutcome
    """Of a line that was read, what it says now."""
    answers: bool = True
    """False: it does its work but never says so; only a status request finds out."""
    ready_in_seconds: float | None
    """None: not until somebody says so."""
    expires_at: datetime | None = None
    """Until when the customer may approve it in an app; None if no app is asked."""
    next_outcome: SimulatedOutcome | None = None
    """What it says later, when the gateway has ended the payment by the outcome."""
    next_in_seconds: float | None = None
    """How long after that."""
    callback_copies: int = 0
    """How often it tells the gateway when it is ready; 0 for not at all."""
    requests: int = 1
    asked: int = 1
    """Like `requests`, with those that never arrived or were answered by an error."""
    refuses: tuple[int, ...] = ()
    """The numbers of those."""

    @property
    def is_ready(self) -> bool:
        return self.ready_in_seconds is not None and self.ready_in_seconds <= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorPlan:
    """How long it takes and how often it says yes; the same seed gives the same run."""

    delay_min_ms: int = 5_000
    delay_max_ms: int = 10_000
    success_rate: float = 1.0
    seed: str = "gateway"
    faults: FaultPlan = NO_FAULTS
    upi_app: UpiApp = UpiApp.AUTO
    upi_ttl_seconds: float = 300.0
    """How long a customer is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the simulator is asked to do."""

    key: str
    kind: OperationKind
    payment_id: str
    amount_minor: int
    currency: str
    vpa: str | None = None
    card_number: str | None = None
    expires_at: datetime | None = None
    """For a request that is answered in an app: until when."""
    case: str | None = None
    """The merchant's own name for the payment, by which runs with other ids can be compared."""

    @property
    def name(self) -> str:
        """By what the draws are keyed. The id of a refund is another one in each run, its amount is not."""
        if self.case is None:
            return self.key
        if self.kind is OperationKind.REFUND:
            return f"{self.case}:refund:{self.amount_minor}"
        return self.key.replace(self.payment_id, self.case, 1)


CASE: Final = "simulator_case"
"""The field of a payment's metadata that names its case."""
FOLLOW_UP_SHARE: Final = 0.2
"""Captures and refunds take a fifth of an authorization: no customer is asked."""


def authorization_key(payment_id: str) -> str:
    """The gateway's idempotency key for the authorization of a payment."""
    return f"{payment_id}:authorize"


def decide_operation(plan: SimulatorPlan, asked: Asked) -> SimulatedOperation:
    """What the simulator will answer to this request, and when."""
    chance = random.Random(f"{plan.seed}:{asked.name}")  # noqa: S311 -- a repeatable run is the point.
    operation = SimulatedOperation(
        key=asked.key,
        kind=asked.kind,
        payment_id=asked.payment_id,
        amount_minor=asked.amount_minor,
        currency=asked.currency,
        outcome=SimulatedOutcome.APPROVED,
        ready_in_seconds=_draw_delay_seconds(plan, chance),
        refuses=refused_requests(plan.faults, seed=plan.seed, name=asked.name),
    )
    if asked.kind is OperationKind.AUTHORIZE:
        return _expire(plan, asked, _authorize(plan, asked, operation, chance))
    fails = asked.kind is OperationKind.REFUND and asked.amount_minor % 100 == _REFUND_FAILS_CENTS
    return replace(
        operation,
        outcome=SimulatedOutcome.REFUND_FAILED if fails else SimulatedOutcome.APPROVED,
        ready_in_seconds=(operation.ready_in_seconds or 0.0) * FOLLOW_UP_SHARE,
    )


def _draw_delay_seconds(plan: SimulatorPlan, chance: random.Random) -> float:
    seconds = chance.uniform(plan.delay_min_ms, plan.delay_max_ms) / 1000
    return seconds * (DELAY_TIMES if chance.random() < plan.faults.delay else 1)


def _authorize(
    plan: SimulatorPlan, asked: Asked, operation: SimulatedOperation, chance: random.Random
) -> SimulatedOperation:
    name = (asked.vpa or "").partition("@")[0] if asked.card_number is None else _CARDS.get(asked.card_number, "")
    declined, changed, told_twice = chance.random(), chance.random(), chance.random()
    outcome, next_outcome = _OUTCOMES.get(name, SimulatedOutcome.APPROVED), None
    if outcome is SimulatedOutcome.APPROVED and declined >= plan.success_rate:
        outcome = SimulatedOutcome.PAYMENT_DECLINED
    if name == "late" or (outcome is SimulatedOutcome.APPROVED and changed < plan.faults.late_success):
        outcome, next_outcome = SimulatedOutcome.PAYMENT_DECLINED, SimulatedOutcome.APPROVED
    callback_copies = 0 if next_outcome is None else 1
    if told_twice < plan.faults.duplicate_callback:
        callback_copies = 2
    waits = name == "pending" or (asked.expires_at is not None and plan.upi_app is UpiApp.PAGE)
    return replace(
        operation,
        outcome=outcome,
        next_outcome=next_outcome,
        next_in_seconds=None if next_outcome is None else operation.ready_in_seconds,
        answers=name != "timeout",
        ready_in_seconds=None if waits else operation.ready_in_seconds,
        expires_at=asked.expires_at,
        callback_copies=callback_copies,
    )


def _expire(plan: SimulatorPlan, asked: Asked, operation: SimulatedOperation) -> SimulatedOperation:
    """The request as it ends if its customer takes longer than a customer is waited for."""
    is_asked_of_customer = asked.vpa is not None or asked.expires_at is not None
    if not is_asked_of_customer or (operation.ready_in_seconds or 0.0) <= plan.upi_ttl_seconds:
        return operation
    return replace(
        operation, outcome=SimulatedOutcome.EXPIRED, next_outcome=None, ready_in_seconds=plan.upi_ttl_seconds
    )


def callback_body(event_id: str, payment_id: str, outcome: SimulatedOutcome) -> bytes:
    """What the simulator sends when it calls the gateway about an authorization."""
    return orjson.dumps({"id": event_id, "payment_id": payment_id, "outcome": outcome})


_REFUND_FAILS_CENTS: Final = 13
_OUTCOMES: Final = {
    "failure": SimulatedOutcome.PAYMENT_DECLINED,
    "insufficient": SimulatedOutcome.INSUFFICIENT_FUNDS,
    "expired": SimulatedOutcome.EXPIRED,
    "expired card": SimulatedOutcome.EXPIRED_CARD,
}
# The published test numbers that Stripe's users know, by the name whose outcome they have.
_CARDS: Final = {
    "4000000000000002": "failure",
    "4000000000009995": "insufficient",
    "4000000000000069": "expired card",
    "4000000000000119": "timeout",
}

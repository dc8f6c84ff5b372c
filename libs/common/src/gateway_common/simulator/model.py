"""What the simulated provider answers, decided by the values in the request alone, so that tests can choose."""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedOperation:
    """One line of the simulator's account. `requests` counts how often it was asked to do this very thing."""

    key: str
    kind: OperationKind
    payment_id: str
    amount_minor: int
    currency: str
    outcome: SimulatedOutcome
    answers: bool = True
    """False: it does its work but never says so; only a status request finds out."""
    ready_in_seconds: float | None
    """None: not until somebody says so."""
    requests: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorPlan:
    """How long it takes and how often it says yes; the same seed gives the same run."""

    delay_min_ms: int = 5_000
    delay_max_ms: int = 10_000
    success_rate: float = 1.0
    seed: str = "gateway"


FOLLOW_UP_SHARE: Final = 0.2
"""Captures and refunds take a fifth of an authorization: no customer is asked."""


def decide_operation(
    plan: SimulatorPlan,
    *,
    key: str,
    kind: OperationKind,
    payment_id: str,
    amount_minor: int,
    currency: str,
    vpa: str | None,
    card_number: str | None = None,
) -> SimulatedOperation:
    """What the simulator will answer to this request, and when."""
    chance = random.Random(f"{plan.seed}:{key}")  # noqa: S311 -- a repeatable run is the point.
    delay_seconds = chance.uniform(plan.delay_min_ms, plan.delay_max_ms) / 1000
    ready_in_seconds: float | None = delay_seconds
    outcome, answers = SimulatedOutcome.APPROVED, True
    if kind is OperationKind.AUTHORIZE:
        name = (vpa or "").partition("@")[0] if card_number is None else _CARDS.get(card_number, "")
        outcome = _OUTCOMES.get(name, outcome)
        if outcome is SimulatedOutcome.APPROVED and chance.random() >= plan.success_rate:
            outcome = SimulatedOutcome.PAYMENT_DECLINED
        answers = name != "timeout"
        if name == "pending":
            ready_in_seconds = None
    else:
        ready_in_seconds = delay_seconds * FOLLOW_UP_SHARE
        if kind is OperationKind.REFUND and amount_minor % 100 == _REFUND_FAILS_CENTS:
            outcome = SimulatedOutcome.REFUND_FAILED
    return SimulatedOperation(
        key=key,
        kind=kind,
        payment_id=payment_id,
        amount_minor=amount_minor,
        currency=currency,
        outcome=outcome,
        answers=answers,
        ready_in_seconds=ready_in_seconds,
    )


_REFUND_FAILS_CENTS: Final = 13
_OUTCOMES: Final = {
    "failure": SimulatedOutcome.PAYMENT_DECLINED,
    "insufficient": SimulatedOutcome.INSUFFICIENT_FUNDS,
    "expired card": SimulatedOutcome.EXPIRED_CARD,
}
# The published test numbers that Stripe's users know, by the name whose outcome they have.
_CARDS: Final = {
    "4000000000000002": "failure",
    "4000000000009995": "insufficient",
    "4000000000000069": "expired card",
    "4000000000000119": "timeout",
}

"""Faults the simulated provider shows on request, each with a rate, and how a seed draws them. Without I/O."""

import random
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

DELAY_TIMES: Final = 4
FAULTY_REQUESTS_MOST: Final = 8
"""From then on every request of a key is taken and answered, so that no run goes on for ever."""


class RequestFault(StrEnum):
    """What may befall one request. The next one with the same key has a draw of its own."""

    NO_ANSWER = "no_answer"
    """It never arrives, and nobody answers."""
    LOST_ANSWER = "lost_answer"
    """It is done, then the connection breaks."""
    ERROR = "error"
    """The answer is 500, and nothing was done."""


REFUSING: Final = frozenset({RequestFault.NO_ANSWER, RequestFault.ERROR})


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """How often each fault happens, 0 to 1. The first three befall requests, the others what is asked for."""

    no_answer: float = 0.0
    lost_answer: float = 0.0
    error: float = 0.0
    delay: float = 0.0
    """Takes four times as long."""
    duplicate_callback: float = 0.0
    """The authorization is told by a callback too, twice."""
    late_success: float = 0.0
    """Declined first, approved later."""


NO_FAULTS: Final = FaultPlan()


def parse_fault_plan(words: str) -> FaultPlan:
    """The plan from `delay=0.1,error=0.05`; ValueError says what is wrong."""
    known = [field.name for field in fields(FaultPlan)]
    rates: dict[str, float] = {}
    for word in filter(None, (part.strip() for part in words.split(","))):
        name, _, rate = (part.strip() for part in word.partition("="))
        if name not in known:
            raise ValueError(f"knows no fault {name!r}: take some of {', '.join(known)}")
        if name in rates:
            raise ValueError(f"names {name} twice")
        rates[name] = _parse_rate(name, rate)
    plan = FaultPlan(**rates)
    if plan.no_answer + plan.lost_answer + plan.error > 1:
        raise ValueError("no_answer, lost_answer and error exclude each other: together they are at most 1")
    return plan


def draw_request_fault(plan: FaultPlan, *, seed: str, name: str, number: int) -> RequestFault | None:
    """What befalls the request that is the `number`th, from 1, of those that `name` stands for."""
    if plan is NO_FAULTS or number > FAULTY_REQUESTS_MOST:
        return None
    drawn = random.Random(f"{seed}:{name}:{number}").random()  # noqa: S311 -- a repeatable run is the point.
    for fault in RequestFault:
        drawn -= getattr(plan, fault)
        if drawn < 0:
            return fault
    return None


def refused_requests(plan: FaultPlan, *, seed: str, name: str) -> tuple[int, ...]:
    """The numbers of the requests that leave nothing done."""
    if plan is NO_FAULTS:
        return ()
    numbers = range(1, FAULTY_REQUESTS_MOST + 1)
    return tuple(
        number for number in numbers if draw_request_fault(plan, seed=seed, name=name, number=number) in REFUSING
    )


def _parse_rate(name: str, rate: str) -> float:
    try:
        value = float(rate)
    except ValueError as error:
        raise ValueError(f"{name}: takes a rate from 0 to 1, such as {name}=0.1") from error
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: takes a rate from 0 to 1, such as {name}=0.1")
    return value

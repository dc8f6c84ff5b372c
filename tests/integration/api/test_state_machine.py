"""Thousands of steps in any order, the real gateway and its model side by side. `make soak` takes many more."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.support.driven_gateway import DrivenGateway, driven_gateway
from tests.support.gateway_machine import GatewayMachine
from tests.support.gateway_model import GatewayModel
from tests.support.gateway_words import Claim, Record, Request
from tests.support.measuring import Measure

STEPS = int(os.environ.get("SOAK_STEPS", "3000"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
STEPS_OF_A_RUN = 50
STEPS_OF_A_RUN_ABOUT = 36
"""Some runs end early."""
# What even the short run must have come to; a rule that is never reached proves nothing.
REACHED = {
    *("order 201", "payment 201", "capture 200", "cancel 200", "refund 201", "workers die", "conclude", "time", "list"),
    *("work authorize approved", "work capture approved", "work refund approved", "work void approved"),
    *("work authorize declined", "work capture declined", "work authorize unknown", "work authorize unreachable"),
    *("work authorize waiting", "work authorize expired", "work inquire approved", "work inquire declined"),
    *("order conflict", "payment order_state_conflict", "capture payment_state_conflict"),
    *("payment replayed", "payment idempotency_key_reuse"),
}


@pytest.fixture
def gateway(database_url: str, redis_url: str, master_key: str) -> Iterator[DrivenGateway]:
    with driven_gateway(database_url, redis_url, master_key) as driven:
        yield driven


def drive(gateway: DrivenGateway, model: Callable[[int], GatewayModel], runs: int) -> Counter[str]:
    """Drive so many runs of the machine; how often each kind of step was taken."""
    tally: Counter[str] = Counter()

    class Machine(GatewayMachine):
        def __init__(self) -> None:
            super().__init__(gateway, model, tally)

    run_state_machine_as_test(
        seed(SEED)(Machine),
        settings=settings(
            max_examples=runs,
            stateful_step_count=STEPS_OF_A_RUN,
            deadline=None,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
    )
    return tally


def test_the_gateway_and_its_model_agree_after_every_step(gateway: DrivenGateway, measure: Measure) -> None:
    started = time.monotonic()

    tally = drive(gateway, GatewayModel, STEPS // STEPS_OF_A_RUN_ABOUT)

    seconds = time.monotonic() - started
    runs, steps = tally.pop("runs"), tally.pop("steps")
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(tally.items()))
    measure(f"{steps} steps in {runs} runs from seed {SEED} in {seconds:.0f} s: {kinds}")
    assert steps >= STEPS
    assert tally.keys() >= REACHED


class KeepsItsOrder(GatewayModel):
    """An order that believes itself paid though its payment was given back."""

    def free_order(self, payment: Record) -> None:
        if payment.shown["status"] == "failed":
            super().free_order(payment)


class RefundsTooMuch(GatewayModel):
    """One unit more than was captured may be refunded."""

    def refuse_refund(self, request: Request) -> tuple[int, str] | None:
        payment = self.payments[request.target]
        left = payment.shown["amount_captured"] - payment.reserved + 1
        return None if request.body.get("amount", 0) == left > 1 else super().refuse_refund(request)


class TellsTwice(GatewayModel):
    """A capture that is repeated sends its event again, which only the events of the whole run show."""

    def conclude(self, claim: Claim, answer: str) -> bool:
        recorded = super().conclude(claim, answer)
        if recorded and claim.step == "capture" and answer == "approved":
            payment = self.payments[claim.payment_id]
            payment.story.append(payment.story[-1])
        return recorded


@pytest.mark.parametrize("wrong", [KeepsItsOrder, RefundsTooMuch, TellsTwice])
def test_one_wrong_rule_is_noticed(gateway: DrivenGateway, wrong: type[GatewayModel]) -> None:
    with pytest.raises(AssertionError):
        drive(gateway, wrong, STEPS // STEPS_OF_A_RUN_ABOUT)

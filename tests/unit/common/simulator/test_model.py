"""What the simulator decides: each test value of the documentation, and that a seed repeats its run."""

import pytest

from gateway_common.simulator.model import (
    FOLLOW_UP_SHARE,
    OperationKind,
    SimulatedOperation,
    SimulatedOutcome,
    SimulatorPlan,
    decide_operation,
)

PLAN = SimulatorPlan()


def decide(
    plan: SimulatorPlan = PLAN,
    kind: OperationKind = OperationKind.AUTHORIZE,
    *,
    key: str = "pay_1:authorize",
    vpa: str | None = "test@upi",
    amount_minor: int = 50_000,
) -> SimulatedOperation:
    return decide_operation(
        plan, key=key, kind=kind, payment_id="pay_1", amount_minor=amount_minor, currency="INR", vpa=vpa
    )


@pytest.mark.parametrize(
    ("vpa", "outcome"),
    [
        ("test@upi", SimulatedOutcome.APPROVED),
        ("anybody.else@bank", SimulatedOutcome.APPROVED),
        ("failure@upi", SimulatedOutcome.PAYMENT_DECLINED),
        ("failure@another-bank", SimulatedOutcome.PAYMENT_DECLINED),
        ("insufficient@upi", SimulatedOutcome.INSUFFICIENT_FUNDS),
        ("timeout@upi", SimulatedOutcome.APPROVED),
        ("pending@upi", SimulatedOutcome.APPROVED),
        ("not.failure@upi", SimulatedOutcome.APPROVED),
        ("test@failure", SimulatedOutcome.APPROVED),
        (None, SimulatedOutcome.APPROVED),
    ],
)
def test_the_name_in_the_vpa_decides_an_authorization(vpa: str | None, outcome: SimulatedOutcome) -> None:
    assert decide(vpa=vpa).outcome is outcome


@pytest.mark.parametrize(("vpa", "answers"), [("timeout@upi", False), ("pending@upi", True), ("test@upi", True)])
def test_only_a_timeout_is_never_answered(vpa: str, *, answers: bool) -> None:
    assert decide(vpa=vpa).answers is answers


def test_a_pending_payment_has_no_time_at_which_it_is_ready() -> None:
    assert decide(vpa="pending@upi").ready_in_seconds is None
    assert decide(vpa="timeout@upi").ready_in_seconds is not None


@pytest.mark.parametrize("kind", [OperationKind.CAPTURE, OperationKind.VOID, OperationKind.REFUND])
@pytest.mark.parametrize("vpa", ["failure@upi", "insufficient@upi", "timeout@upi", "pending@upi"])
def test_the_vpa_says_nothing_about_what_comes_after_the_authorization(kind: OperationKind, vpa: str) -> None:
    operation = decide(kind=kind, vpa=vpa)

    assert (operation.outcome, operation.answers) == (SimulatedOutcome.APPROVED, True)
    assert operation.ready_in_seconds is not None


@pytest.mark.parametrize(
    ("kind", "amount_minor", "outcome"),
    [
        (OperationKind.REFUND, 13, SimulatedOutcome.REFUND_FAILED),
        (OperationKind.REFUND, 1_013, SimulatedOutcome.REFUND_FAILED),
        (OperationKind.REFUND, 1_300, SimulatedOutcome.APPROVED),
        (OperationKind.REFUND, 130, SimulatedOutcome.APPROVED),
        (OperationKind.CAPTURE, 1_013, SimulatedOutcome.APPROVED),
        (OperationKind.AUTHORIZE, 1_013, SimulatedOutcome.APPROVED),
    ],
)
def test_refunds_of_amounts_ending_in_13_fail(
    kind: OperationKind, amount_minor: int, outcome: SimulatedOutcome
) -> None:
    assert decide(kind=kind, amount_minor=amount_minor).outcome is outcome


def test_an_authorization_takes_between_the_two_delays_and_what_follows_a_fifth_of_that() -> None:
    for number in range(200):
        authorization = decide(key=f"pay_{number}:authorize").ready_in_seconds
        follow_up = decide(key=f"pay_{number}:capture:1", kind=OperationKind.CAPTURE).ready_in_seconds

        assert authorization is not None
        assert 5 <= authorization <= 10
        assert follow_up is not None
        assert 5 * FOLLOW_UP_SHARE <= follow_up <= 10 * FOLLOW_UP_SHARE


def _run(plan: SimulatorPlan) -> list[tuple[SimulatedOutcome, float | None]]:
    operations = [decide(plan, key=f"pay_{number}:authorize") for number in range(1_000)]
    return [(operation.outcome, operation.ready_in_seconds) for operation in operations]


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    plan = SimulatorPlan(success_rate=0.9, seed="monday")

    assert _run(plan) == _run(SimulatorPlan(success_rate=0.9, seed="monday"))
    assert _run(plan) != _run(SimulatorPlan(success_rate=0.9, seed="tuesday"))


@pytest.mark.parametrize(("rate", "least", "most"), [(1.0, 1_000, 1_000), (0.9, 860, 940), (0.0, 0, 0)])
def test_the_success_rate_is_kept(rate: float, least: int, most: int) -> None:
    outcomes = [outcome for outcome, _ in _run(SimulatorPlan(success_rate=rate))]

    assert least <= outcomes.count(SimulatedOutcome.APPROVED) <= most
    assert set(outcomes) <= {SimulatedOutcome.APPROVED, SimulatedOutcome.PAYMENT_DECLINED}


def test_the_success_rate_does_not_touch_what_a_test_value_decides() -> None:
    never = SimulatorPlan(success_rate=0.0)

    assert decide(never, vpa="insufficient@upi").outcome is SimulatedOutcome.INSUFFICIENT_FUNDS
    assert decide(never, OperationKind.CAPTURE).outcome is SimulatedOutcome.APPROVED
    assert decide(never, OperationKind.REFUND).outcome is SimulatedOutcome.APPROVED

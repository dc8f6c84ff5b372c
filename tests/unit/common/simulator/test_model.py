"""What the simulator decides: each test value of the documentation, and that a seed repeats its run."""

from datetime import UTC, datetime

import pytest
from tests.support.examples import example_payment

from gateway_common.payments.model import Operation, provider_key
from gateway_common.simulator.faults import FaultPlan
from gateway_common.simulator.model import (
    FOLLOW_UP_SHARE,
    Asked,
    OperationKind,
    SimulatedOperation,
    SimulatedOutcome,
    SimulatorPlan,
    UpiApp,
    authorization_key,
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
    asked = Asked(key=key, kind=kind, payment_id="pay_1", amount_minor=amount_minor, currency="INR", vpa=vpa)
    return decide_operation(plan, asked)


@pytest.mark.parametrize(
    ("vpa", "outcome"),
    [
        ("test@upi", SimulatedOutcome.APPROVED),
        ("anybody.else@bank", SimulatedOutcome.APPROVED),
        ("failure@upi", SimulatedOutcome.PAYMENT_DECLINED),
        ("failure@another-bank", SimulatedOutcome.PAYMENT_DECLINED),
        ("insufficient@upi", SimulatedOutcome.INSUFFICIENT_FUNDS),
        ("expired@upi", SimulatedOutcome.EXPIRED),
        ("late@upi", SimulatedOutcome.PAYMENT_DECLINED),
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


EXPIRES_AT = datetime(2026, 1, 31, tzinfo=UTC)


def decide_in_app(plan: SimulatorPlan) -> SimulatedOperation:
    asked = Asked(
        key="pay_1:authorize",
        kind=OperationKind.AUTHORIZE,
        payment_id="pay_1",
        amount_minor=1,
        currency="INR",
        expires_at=EXPIRES_AT,
    )
    return decide_operation(plan, asked)


def test_a_late_payment_is_declined_then_approved_and_called_about() -> None:
    late = decide(vpa="late@upi")

    assert (late.outcome, late.next_outcome) == (SimulatedOutcome.PAYMENT_DECLINED, SimulatedOutcome.APPROVED)
    assert (late.callback_copies, late.next_in_seconds) == (1, late.ready_in_seconds)


def test_a_payment_in_an_app_is_approved_after_the_delay_or_waits_for_a_person() -> None:
    by_itself, by_hand = decide_in_app(PLAN), decide_in_app(SimulatorPlan(upi_app=UpiApp.PAGE))

    assert (by_itself.outcome, by_itself.expires_at) == (SimulatedOutcome.APPROVED, EXPIRES_AT)
    assert by_itself.ready_in_seconds is not None
    assert (by_hand.ready_in_seconds, by_hand.expires_at) == (None, EXPIRES_AT)


@pytest.mark.parametrize("vpa", ["test@upi", "failure@upi", "late@upi"])
def test_who_takes_longer_than_is_waited_for_lets_the_request_expire(vpa: str) -> None:
    slow = SimulatorPlan(delay_min_ms=5_000, delay_max_ms=5_000, upi_ttl_seconds=2)

    expired = decide(slow, vpa=vpa)
    assert (expired.outcome, expired.next_outcome) == (SimulatedOutcome.EXPIRED, None)
    assert expired.ready_in_seconds == 2
    assert decide_in_app(slow).outcome is SimulatedOutcome.EXPIRED
    assert decide(slow, vpa=None).outcome is SimulatedOutcome.APPROVED, "no customer is asked"
    assert decide(slow, vpa="pending@upi").ready_in_seconds is None, "never by itself"


def named(key: str, case: str | None, kind: OperationKind = OperationKind.AUTHORIZE) -> str:
    payment_id = key.partition(":")[0]
    return Asked(key=key, kind=kind, payment_id=payment_id, amount_minor=100, currency="INR", case=case).name


def test_draws_go_by_the_merchants_name_of_the_case_so_that_runs_can_be_compared() -> None:
    assert named("pay_1:capture:1", None, OperationKind.CAPTURE) == "pay_1:capture:1"
    assert named("pay_1:capture:1", "case 7", OperationKind.CAPTURE) == "case 7:capture:1"
    assert named("rfnd_1", "case 7", OperationKind.REFUND) == named("rfnd_2", "case 7", OperationKind.REFUND)
    assert named("rfnd_1", None, OperationKind.REFUND) == "rfnd_1"


def test_each_fault_of_an_operation_happens_as_often_as_its_plan_says() -> None:
    faults = FaultPlan(delay=0.25, duplicate_callback=0.5, late_success=0.1)
    operations = [decide(SimulatorPlan(faults=faults), key=f"pay_{number}:authorize") for number in range(1_000)]

    slow = [each for each in operations if (each.ready_in_seconds or 0) > 10]
    late = [each for each in operations if each.next_outcome is not None]
    assert 200 < len(slow) < 300
    assert all(20 <= (each.ready_in_seconds or 0) <= 40 for each in slow)
    assert 60 < len(late) < 140
    assert {each.outcome for each in late} == {SimulatedOutcome.PAYMENT_DECLINED}
    assert 440 < sum(each.callback_copies == 2 for each in operations) < 560


def test_the_simulator_knows_under_which_key_a_payment_is_authorized() -> None:
    payment = example_payment()

    assert authorization_key(payment.id) == provider_key(payment, Operation.AUTHORIZE)

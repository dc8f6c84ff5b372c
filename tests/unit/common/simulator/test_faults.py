"""Fault plans: how they are written down, and that a seed, a name and a number give the same draw every time."""

import pytest

from gateway_common.simulator.faults import (
    FAULTY_REQUESTS_MOST,
    NO_FAULTS,
    FaultPlan,
    RequestFault,
    draw_request_fault,
    parse_fault_plan,
    refused_requests,
)

PLAN = FaultPlan(no_answer=0.1, lost_answer=0.2, error=0.3)


def draws(plan: FaultPlan, seed: str = "monday", number: int = 1) -> list[RequestFault | None]:
    return [draw_request_fault(plan, seed=seed, name=f"case {case}", number=number) for case in range(1_000)]


@pytest.mark.parametrize(
    ("words", "plan"),
    [
        ("", NO_FAULTS),
        ("delay=0.1", FaultPlan(delay=0.1)),
        (" error = 1 , no_answer=0,", FaultPlan(error=1.0)),
        (
            "delay=0.1,no_answer=0.05,lost_answer=0.1,error=0.1,duplicate_callback=0.2,late_success=0.05",
            FaultPlan(delay=0.1, no_answer=0.05, lost_answer=0.1, error=0.1, duplicate_callback=0.2, late_success=0.05),
        ),
    ],
)
def test_a_plan_is_a_list_of_faults_with_their_rates(words: str, plan: FaultPlan) -> None:
    assert parse_fault_plan(words) == plan


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("explosion=0.1", "knows no fault 'explosion'"),
        ("delay", "delay: takes a rate from 0 to 1"),
        ("delay=often", "delay: takes a rate from 0 to 1"),
        ("delay=1.1", "delay: takes a rate from 0 to 1"),
        ("delay=nan", "delay: takes a rate from 0 to 1"),
        ("delay=0.1,delay=0.2", "names delay twice"),
        ("no_answer=0.5,lost_answer=0.5,error=0.1", "together they are at most 1"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_with_the_reason(words: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_fault_plan(words)


def test_each_fault_befalls_as_many_requests_as_its_rate_says() -> None:
    drawn = draws(PLAN)

    for fault, rate in ((RequestFault.NO_ANSWER, 0.1), (RequestFault.LOST_ANSWER, 0.2), (RequestFault.ERROR, 0.3)):
        assert abs(drawn.count(fault) / 1_000 - rate) < 0.06


def test_the_same_seed_draws_the_same_and_another_seed_or_number_another() -> None:
    assert draws(PLAN) == draws(PLAN)
    assert draws(PLAN) != draws(PLAN, seed="tuesday")
    assert draws(PLAN) != draws(PLAN, number=2)


def test_the_requests_that_leave_nothing_done_are_known_beforehand_and_end() -> None:
    always = FaultPlan(error=1.0)

    assert refused_requests(always, seed="monday", name="case 1") == tuple(range(1, FAULTY_REQUESTS_MOST + 1))
    assert draw_request_fault(always, seed="monday", name="case 1", number=FAULTY_REQUESTS_MOST + 1) is None
    assert refused_requests(FaultPlan(lost_answer=1.0), seed="monday", name="case 1") == ()
    assert refused_requests(NO_FAULTS, seed="monday", name="case 1") == ()

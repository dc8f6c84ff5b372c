"""A provider that fails by a plan: whatever happens on the way, each case ends as its seed says, and nothing twice."""

import asyncio
from collections import Counter

from tests.support.fault_runs import FaultRun, run_with_faults
from tests.support.measuring import Measure

from gateway_common.simulator.faults import parse_fault_plan
from gateway_common.simulator.model import SimulatorPlan

CASES = 250
FAULTS = "delay=0.1,no_answer=0.05,lost_answer=0.1,error=0.1,duplicate_callback=0.2,late_success=0.05"


def plan(seed: str) -> SimulatorPlan:
    return SimulatorPlan(delay_min_ms=5, delay_max_ms=20, success_rate=0.9, seed=seed, faults=parse_fault_plan(FAULTS))


async def test_the_same_seed_ends_each_case_alike_whatever_fails_on_the_way_and_nothing_is_done_twice(
    postgres_url: str, redis_url: str, measure: Measure
) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()

    # Side by side: most of a run is waiting for answers that do not come.
    first, second, other = await asyncio.gather(
        run_with_faults(postgres_url, redis_url, plan("monday"), cases=CASES),
        run_with_faults(postgres_url, redis_url, plan("monday"), cases=CASES),
        run_with_faults(postgres_url, redis_url, plan("tuesday"), cases=CASES // 3),
    )

    differing = [case for case, became in first.cases.items() if second.cases[case] != became]
    assert differing == [], [(first.cases[case], second.cases[case]) for case in differing[:3]]
    assert any(other.cases[case] != first.cases[case] for case in other.cases)
    for run in (first, second, other):
        assert_sound(run, len(run.cases))
    statuses = dict(Counter(state["status"] for state, _ in first.cases.values()))
    unknown = {name: count for name, count in first.answers.items() if name.endswith(" unknown")}
    events = sum(len(told) for _, told in first.cases.values())
    measure(
        f"{len(first.cases)} payments {statuses}, {events} events, {first.callbacks} callbacks, no answer {unknown}, "
        f"account {first.account}; 3 runs in {loop.time() - started:.0f} s"
    )


def assert_sound(run: FaultRun, cases: int) -> None:
    assert run.audit == []
    assert run.account["most"] == 1, "done twice"
    assert run.account["authorizations"] == cases
    assert run.account["asked"] > run.account["requests"]
    for operation in ("authorize", "capture", "void", "refund"):
        assert run.answers[f"{operation} unknown"] > 0, f"no fault befell a {operation}"
    told = Counter(event_type for _, events in run.cases.values() for event_type, _ in events)
    assert told["payment.late_success"] > 0
    assert told["refund.failed"] > 0
    assert run.callbacks > told["payment.late_success"]

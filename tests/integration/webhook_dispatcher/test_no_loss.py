"""Dispatchers die by SIGKILL again and again, Redis is flushed and taken away, PostgreSQL falls: nothing is lost.

`make test` does it with 3,000 events; `make webhook-chaos` with 100,000 (EVENTS=, KILLS_EVERY=, PER_SECOND=, SEED=).
"""

import os
from pathlib import Path

import pytest
from tests.support.measuring import Measure
from tests.support.webhook_chaos import Plan, wreak_chaos

EVENTS = int(os.environ.get("CHAOS_EVENTS", "3000"))
IS_LONG = EVENTS > 20_000
PLAN = Plan(
    seed=int(os.environ.get("CHAOS_SEED", "1")),
    events=EVENTS,
    per_second=float(os.environ.get("CHAOS_PER_SECOND", "200")),
    kill_every_seconds=float(os.environ.get("CHAOS_KILLS_EVERY", "3")),
    flushes=5 if IS_LONG else 1,
    redis_down_seconds=20.0 if IS_LONG else 2.0,
    rest_seconds_most=600.0 if IS_LONG else 60.0,
)


@pytest.mark.alone
async def test_whatever_is_killed_or_falls_every_event_reaches_every_endpoint_that_wants_it(
    tmp_path: Path, measure: Measure
) -> None:
    report = await wreak_chaos(PLAN, tmp_path)

    measure(f"from seed {PLAN.seed}, {report}")
    assert report.endpoints >= 100
    assert report.kills >= 4
    assert report.lost == []
    assert report.wrongly_ended == []
    assert report.unexplained == {}
    assert report.duplicates <= report.cut_by_kills + report.cut_by_outages
    assert report.altered == []
    assert report.miscounted == []
    assert report.samples >= PLAN.events / PLAN.per_second / 2
    assert report.wrong_samples == []
    assert report.over_cap == []
    assert report.over_rate == []
    assert report.audit == []
    assert report.unplanned_ends == []
    assert report.bad_news == []

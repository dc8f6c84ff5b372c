"""How an endpoint fares: when its breaker opens and closes, and when it is disabled."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_common.webhooks.health import (
    DISABLE_AFTER,
    OPEN_AFTER,
    OPEN_AFTER_FAILURES,
    PAUSE_LONGEST,
    EndpointHealth,
    after_failure,
    after_success,
    should_disable,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEW = EndpointHealth(endpoint_id="we_example")
MOST = 16
IN_FLIGHT = st.integers(1, 100)
GAPS = st.floats(0, 600).map(lambda seconds: timedelta(seconds=seconds))
ATTEMPTS = st.lists(st.tuples(GAPS, st.booleans()), max_size=60)
"""After how long the next attempt ends, and whether the endpoint answered 2xx."""


def failed(health: EndpointHealth, times: int, *, every: timedelta, start: datetime = NOW) -> EndpointHealth:
    for number in range(times):
        health = after_failure(health, now=start + number * every)
    return health


def opened() -> tuple[EndpointHealth, datetime]:
    """An endpoint whose breaker has just opened for the first time, and when."""
    every = OPEN_AFTER / (OPEN_AFTER_FAILURES - 1)
    return failed(NEW, OPEN_AFTER_FAILURES, every=every), NOW + (OPEN_AFTER_FAILURES - 1) * every


def lives(
    attempts: list[tuple[timedelta, bool]], in_flight_most: int = MOST
) -> Iterator[tuple[EndpointHealth, EndpointHealth, datetime, bool]]:
    """Before and after each attempt, when it ended, and whether it succeeded."""
    health, now = NEW, NOW
    for gap, success in attempts:
        before, now = health, now + gap
        health = (
            after_success(before, now=now, in_flight_most=in_flight_most) if success else after_failure(before, now=now)
        )
        yield before, health, now, success


def test_the_breaker_opens_for_half_a_minute_after_ten_failures_over_a_minute() -> None:
    health, now = opened()

    assert health.blocked_until == now + timedelta(seconds=30)
    assert health.allowance == 1
    assert health.trips == 1


@pytest.mark.parametrize(
    ("failures", "over"),
    [
        (OPEN_AFTER_FAILURES - 1, timedelta(hours=1)),
        (OPEN_AFTER_FAILURES, OPEN_AFTER - timedelta(milliseconds=1)),
        (1000, OPEN_AFTER - timedelta(milliseconds=1)),
    ],
)
def test_fewer_failures_or_faster_ones_leave_it_closed(failures: int, over: timedelta) -> None:
    health = failed(NEW, failures, every=over / (failures - 1))

    assert health.blocked_until is None
    assert health.allowance is None
    assert health.consecutive_failures == failures


def test_a_success_in_between_starts_the_count_anew() -> None:
    health = failed(NEW, 9, every=timedelta(seconds=10))
    health = after_success(health, now=NOW + timedelta(seconds=90), in_flight_most=MOST)
    health = failed(health, 9, every=timedelta(seconds=10), start=NOW + timedelta(seconds=100))

    assert health.blocked_until is None
    assert health.failing_since == NOW + timedelta(seconds=100)


def test_the_pause_doubles_up_to_five_minutes_while_each_try_fails() -> None:
    health, now = opened()

    pauses = []
    for _ in range(6):
        assert health.blocked_until is not None
        pauses.append((health.blocked_until - now).total_seconds())
        now = health.blocked_until
        health = after_failure(health, now=now)

    assert pauses == [30, 60, 120, 240, 300, 300]


def test_what_was_under_way_when_the_breaker_opened_makes_the_pause_no_longer() -> None:
    health, now = opened()

    later = failed(health, 15, every=timedelta(seconds=1), start=now + timedelta(seconds=1))

    assert later.blocked_until == health.blocked_until
    assert later.trips == health.trips
    assert later.consecutive_failures == OPEN_AFTER_FAILURES + 15


def test_each_success_doubles_what_may_be_in_flight_until_the_cap_is_reached() -> None:
    health, now = opened()

    allowances = []
    for _ in range(5):
        health = after_success(health, now=now, in_flight_most=MOST)
        allowances.append(health.allowance)

    assert allowances == [2, 4, 8, None, None]


def test_a_failure_on_the_way_up_halves_what_may_be_in_flight_and_at_one_opens_the_breaker() -> None:
    health, now = opened()
    health = replace(health, blocked_until=None, consecutive_failures=0, failing_since=None, trips=0, allowance=4)

    health = after_failure(health, now=now)
    assert (health.allowance, health.blocked_until) == (2, None)
    health = after_failure(health, now=now)
    assert (health.allowance, health.blocked_until) == (1, None)
    health = after_failure(health, now=now)
    assert (health.allowance, health.blocked_until) == (1, now + timedelta(seconds=30))


def test_a_late_success_of_what_was_under_way_ends_the_pause() -> None:
    health, now = opened()

    health = after_success(health, now=now + timedelta(seconds=1), in_flight_most=MOST)

    assert (health.blocked_until, health.allowance, health.trips) == (None, 2, 0)


def test_an_endpoint_that_takes_one_at_a_time_is_closed_by_its_first_success() -> None:
    health, now = opened()

    assert after_success(health, now=now, in_flight_most=1).allowance is None


@given(ATTEMPTS, IN_FLIGHT)
def test_an_endpoint_may_always_be_tried_again_with_at_least_one_and_within_five_minutes(
    attempts: list[tuple[timedelta, bool]], in_flight_most: int
) -> None:
    for _, health, now, _ in lives(attempts, in_flight_most):
        assert health.allowance is None or 1 <= health.allowance < max(in_flight_most, 2)
        assert health.blocked_until is None or health.blocked_until <= now + PAUSE_LONGEST


@given(ATTEMPTS, IN_FLIGHT)
def test_a_success_ends_any_pause_and_closes_or_widens(
    attempts: list[tuple[timedelta, bool]], in_flight_most: int
) -> None:
    for before, health, now, success in lives(attempts, in_flight_most):
        if success:
            assert health.allowance is None or (before.allowance is not None and health.allowance > before.allowance)
            assert (health.blocked_until, health.consecutive_failures, health.failing_since) == (None, 0, None)
            assert health.last_success_at == now


@given(ATTEMPTS)
def test_it_never_opens_anew_before_ten_failures_over_a_minute(attempts: list[tuple[timedelta, bool]]) -> None:
    for before, health, now, _ in lives(attempts):
        if before.allowance is None and health.allowance is not None:
            assert health.consecutive_failures >= OPEN_AFTER_FAILURES
            assert health.failing_since is not None
            assert now - health.failing_since >= OPEN_AFTER


@given(ATTEMPTS)
def test_no_failure_widens_or_shortens_a_pause(attempts: list[tuple[timedelta, bool]]) -> None:
    for before, health, _, success in lives(attempts):
        if not success:
            assert (health.allowance or MOST) <= (before.allowance or MOST)
            assert before.blocked_until is None or (health.blocked_until or NOW) >= before.blocked_until


@given(ATTEMPTS)
def test_failures_are_counted_since_the_last_success(attempts: list[tuple[timedelta, bool]]) -> None:
    count = 0
    for _, health, now, success in lives(attempts):
        count = 0 if success else count + 1
        assert health.consecutive_failures == count
        assert (health.failing_since is None) == (count == 0)
        assert health.last_attempt_at == now


@pytest.mark.parametrize(
    ("over", "expected"),
    [(timedelta(0), False), (DISABLE_AFTER - timedelta(seconds=1), False), (DISABLE_AFTER, True)],
)
def test_five_days_of_nothing_but_failures_disable(over: timedelta, expected: bool) -> None:  # noqa: FBT001
    health = after_failure(failed(NEW, OPEN_AFTER_FAILURES, every=timedelta(0)), now=NOW + over)

    assert should_disable(health) is expected


def test_silence_is_no_failure() -> None:
    assert not should_disable(NEW)
    assert not should_disable(after_failure(NEW, now=NOW - timedelta(days=30)))


def test_a_few_failures_far_apart_are_bad_luck() -> None:
    every = DISABLE_AFTER / 2

    assert not should_disable(failed(NEW, OPEN_AFTER_FAILURES - 1, every=every))
    assert should_disable(failed(NEW, OPEN_AFTER_FAILURES, every=every))


def test_one_success_in_five_days_is_enough() -> None:
    health = after_failure(NEW, now=NOW)
    health = after_success(health, now=NOW + timedelta(days=3), in_flight_most=MOST)
    health = failed(health, 20, every=timedelta(days=4) / 20, start=NOW + timedelta(days=3))

    assert not should_disable(health)

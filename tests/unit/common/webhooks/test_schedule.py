"""When a failed webhook is tried again: on the promised schedule, never early, and not for ever."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_common.webhooks.schedule import (
    DEFAULT_INTERVALS_SECONDS,
    INTERVAL_MAX_SECONDS,
    JITTER_SHARE,
    RETRY_AFTER_MAX_SECONDS,
    TEST_INTERVALS_SECONDS,
    next_attempt_in_seconds,
    parse_intervals,
)

MINUTE, HOUR = 60, 3600


def walk(intervals: tuple[float, ...], chance: float) -> list[float]:
    """The moments of all attempts of a receiver that always fails, on a clock of its own that starts at 0."""
    clock, moments = 0.0, [0.0]
    while True:
        wait = next_attempt_in_seconds(intervals, attempts=len(moments), chance=chance)
        if wait is None:
            return moments
        clock += wait
        moments.append(clock)


def test_by_default_it_is_tried_after_1_min_5_min_30_min_and_2_h() -> None:
    moments = walk(DEFAULT_INTERVALS_SECONDS, chance=0)

    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert gaps == [1 * MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR]


def test_in_test_mode_each_gap_is_5_s() -> None:
    assert walk(TEST_INTERVALS_SECONDS, chance=0) == [0, 5, 10, 15, 20]


@pytest.mark.parametrize("intervals", [DEFAULT_INTERVALS_SECONDS, TEST_INTERVALS_SECONDS])
def test_five_attempts_are_made_and_no_sixth(intervals: tuple[float, ...]) -> None:
    assert len(walk(intervals, chance=0.5)) == 5
    assert next_attempt_in_seconds(intervals, attempts=5, chance=0) is None
    assert next_attempt_in_seconds(intervals, attempts=6, chance=0) is None


@given(st.integers(1, 4), st.floats(0, 1), st.none() | st.floats(0, 10**6))
def test_no_retry_is_early_and_none_later_than_a_tenth(
    attempts: int, chance: float, retry_after_seconds: float | None
) -> None:
    interval = DEFAULT_INTERVALS_SECONDS[attempts - 1]
    asked = min(retry_after_seconds or 0, RETRY_AFTER_MAX_SECONDS)

    wait = next_attempt_in_seconds(
        DEFAULT_INTERVALS_SECONDS, attempts=attempts, chance=chance, retry_after_seconds=retry_after_seconds
    )

    assert wait is not None
    assert max(interval, asked) <= wait <= max(interval, asked) * (1 + JITTER_SHARE)


@pytest.mark.parametrize(
    ("retry_after_seconds", "wait"),
    [(None, 60), (0, 60), (-5, 60), (59, 60), (61, 61), (3600, 3600), (10**9, RETRY_AFTER_MAX_SECONDS)],
)
def test_a_receivers_retry_after_delays_but_never_hastens(retry_after_seconds: float | None, wait: float) -> None:
    assert (
        next_attempt_in_seconds(
            DEFAULT_INTERVALS_SECONDS, attempts=1, chance=0, retry_after_seconds=retry_after_seconds
        )
        == wait
    )


def test_retry_after_does_not_buy_a_sixth_attempt() -> None:
    wait = next_attempt_in_seconds(DEFAULT_INTERVALS_SECONDS, attempts=5, chance=0, retry_after_seconds=10)

    assert wait is None


def test_retries_of_one_outage_spread_out() -> None:
    waits = {next_attempt_in_seconds((100.0,), attempts=1, chance=step / 10) for step in range(11)}

    assert len(waits) == 11


@pytest.mark.parametrize(
    ("value", "intervals"),
    [
        ("60,300,1800,7200", (60, 300, 1800, 7200)),
        (" 1 , 2.5 ", (1, 2.5)),
        ("0.001", (0.001,)),
        (str(INTERVAL_MAX_SECONDS), (INTERVAL_MAX_SECONDS,)),
        (None, None),
        ("", None),
        ("  ", None),
    ],
)
def test_any_other_schedule_can_be_set(value: str | None, intervals: tuple[float, ...] | None) -> None:
    assert parse_intervals(value) == intervals


@pytest.mark.parametrize("value", ["a", "1,,2", "1;2", ",", "1, two"])
def test_a_schedule_that_is_not_seconds_is_refused_with_an_example(value: str) -> None:
    with pytest.raises(ValueError, match="60,300,1800,7200"):
        parse_intervals(value)


@pytest.mark.parametrize("value", ["0", "-1", "60,0", "nan", "inf", "604801"])
def test_an_interval_out_of_bounds_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 604800 seconds"):
        parse_intervals(value)

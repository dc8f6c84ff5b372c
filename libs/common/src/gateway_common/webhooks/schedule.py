"""When a failed webhook is tried again, as data and one pure function."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

DEFAULT_INTERVALS_SECONDS: Final = (60.0, 300.0, 1800.0, 7200.0)
"""After the first failure 1 min, then 5 min, 30 min, 2 h: five attempts in all."""
TAIL_INTERVALS_SECONDS: Final = (21_600.0, 43_200.0, 86_400.0, 86_400.0)
"""For endpoints that ask for it, after the last of the above: 6 h, 12 h, 24 h, 24 h, so nearly three days in all."""
TEST_INTERVALS_SECONDS: Final = (5.0, 5.0, 5.0, 5.0)
JITTER_SHARE: Final = 0.1
"""A retry is at most this much of its interval late and never early, so that retries of one outage spread out."""
INTERVAL_MAX_SECONDS: Final = 604_800.0
RETRY_AFTER_MAX_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPlan:
    """When failed deliveries are tried again, in seconds after each failure: every endpoint's, and the tail of some."""

    intervals_seconds: tuple[float, ...]
    tail_seconds: tuple[float, ...] = ()

    def intervals(self, *, with_tail: bool) -> tuple[float, ...]:
        return self.intervals_seconds + self.tail_seconds if with_tail else self.intervals_seconds


def next_attempt_in_seconds(
    intervals: Sequence[float],
    *,
    attempts: int,
    chance: float,
    retry_after_seconds: float | None = None,
) -> float | None:
    """Seconds from the failure of attempt number `attempts` to the next one; None when that was the last.

    `chance` is a random number from 0 to 1. A receiver's Retry-After delays a retry further, never hastens it.
    """
    if attempts > len(intervals):
        return None
    interval = intervals[attempts - 1]
    if retry_after_seconds is not None:
        interval = max(interval, min(retry_after_seconds, RETRY_AFTER_MAX_SECONDS))
    return interval * (1 + JITTER_SHARE * chance)


def parse_intervals(value: str | None) -> tuple[float, ...] | None:
    """Read a schedule such as `60,300,1800,7200`, in seconds; ValueError says what is wrong with it."""
    if value is None or not value.strip():
        return None
    try:
        intervals = tuple(float(part) for part in value.split(","))
    except ValueError as error:
        raise ValueError("must be seconds separated by commas, for example 60,300,1800,7200") from error
    if any(not 0 < interval <= INTERVAL_MAX_SECONDS for interval in intervals):
        raise ValueError(f"each interval must be above 0 and at most {INTERVAL_MAX_SECONDS:.0f} seconds")
    return intervals

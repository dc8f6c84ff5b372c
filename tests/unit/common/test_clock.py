"""Business time is UTC in milliseconds, and reads as RFC 3339 with Z."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway_common.clock import format_time, system_clock

INDIA = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 23, 14, 5, 6, 789_000, tzinfo=UTC), "2026-11-23T14:05:06.789Z"),
        (datetime(2026, 11, 23, 14, 5, 6, tzinfo=UTC), "2026-11-23T14:05:06.000Z"),
        (datetime(2026, 1, 1, 5, 29, 59, 999_999, tzinfo=INDIA), "2025-12-31T23:59:59.999Z"),
        (datetime(2026, 1, 1, tzinfo=timezone.min), "2026-01-01T23:59:00.000Z"),
    ],
)
def test_a_time_is_written_in_utc_with_milliseconds_and_z(moment: datetime, text: str) -> None:
    assert format_time(moment) == text


def test_what_the_clock_says_is_unchanged_by_writing_and_reading_it() -> None:
    now = system_clock()

    assert datetime.fromisoformat(format_time(now)) == now


def test_the_clock_says_the_present_in_utc() -> None:
    before = datetime.now(UTC)

    now = system_clock()

    assert now.utcoffset() == timedelta(0)
    assert before - timedelta(milliseconds=1) <= now <= datetime.now(UTC)

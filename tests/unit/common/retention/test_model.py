"""Which months are made, which go, and how a run is told."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway_common.retention.model import (
    KeptDays,
    Month,
    Plan,
    Report,
    decide_plan,
    month_of,
    report_lines,
    report_snapshot,
)

NOW = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)
YEAR = [Month(2026, 11).later(months) for months in range(13)]


def plan(*present: Month, astray: tuple[Month, ...] = (), now: datetime = NOW, attempts: int = 90) -> Plan:
    return decide_plan(now, KeptDays(attempts=attempts), present=present, astray=astray)


def test_this_month_and_the_next_twelve_are_made() -> None:
    assert plan().make == tuple(YEAR)
    assert (YEAR[0].partition, YEAR[-1].partition) == ("webhook_attempts_2026_11", "webhook_attempts_2027_11")
    assert plan(*YEAR).make == ()
    assert plan(*YEAR[:-1]).make == (Month(2027, 11),)


def test_a_month_that_has_attempts_already_is_made_first() -> None:
    assert plan(*YEAR[1:], astray=(Month(2026, 10), Month(2026, 11))).make == (Month(2026, 10), Month(2026, 11))
    assert plan(astray=(Month(2027, 2),)).make == (Month(2027, 2), *(month for month in YEAR if month.number != 2))


def test_neither_what_is_too_old_nor_what_a_wrong_clock_says_makes_a_month() -> None:
    assert plan(*YEAR, astray=(Month(2026, 7), Month(2027, 12), Month(2099, 1))).make == ()


@pytest.mark.parametrize(
    ("now", "dropped"),
    [
        (datetime(2026, 10, 29, 23, 59, tzinfo=UTC), ()),
        (datetime(2026, 10, 30, 0, 0, tzinfo=UTC), (Month(2026, 7),)),
        (datetime(2026, 11, 30, 0, 0, tzinfo=UTC), (Month(2026, 7), Month(2026, 8))),
    ],
)
def test_a_month_goes_when_all_of_it_is_older_than_is_kept(now: datetime, dropped: tuple[Month, ...]) -> None:
    decided = plan(Month(2026, 8), Month(2026, 7), *YEAR, now=now)

    assert decided.drop == dropped
    assert decided.attempts_from == month_of(now - timedelta(days=90)).first_moment


def test_months_are_counted_over_the_turn_of_the_year_and_in_utc() -> None:
    assert [Month(2026, 12).later(1), Month(2026, 1).later(-1)] == [Month(2027, 1), Month(2025, 12)]
    assert month_of(datetime.fromisoformat("2027-01-01T01:00:00+05:30")) == Month(2026, 12)


def test_a_run_is_told_in_words_and_only_what_it_did() -> None:
    report = Report(made=YEAR[:2], dropped=[Month(2026, 7)], bytes_freed=1_234_567_890, deliveries_deleted=12_000)

    assert report_lines(report, plan(), dry_run=False) == [
        "           2  months of attempts made: 2026-11 to 2026-12",
        "           1  months of attempts dropped (1.2 GB): 2026-07",
        "      12,000  ended deliveries deleted",
        "Attempts are kept from 2026-08-01 on, ended deliveries from 2026-05-28 on.",
    ]
    assert report_lines(report, plan(), dry_run=True)[2] == "      12,000  ended deliveries would be deleted"
    assert report_lines(Report(), plan(), dry_run=False)[0] == "Nothing is to be done."


def test_a_program_reads_the_same() -> None:
    report = Report(made=YEAR[:1], attempts_moved=3, replays_deleted=2)

    assert report_snapshot(report, plan(), dry_run=True) == {
        "dry_run": True,
        "months_made": ["2026-11"],
        "attempts_moved": 3,
        "months_dropped": [],
        "bytes_freed": 0,
        "attempts_deleted": 0,
        "deliveries_deleted": 0,
        "replays_deleted": 2,
        "attempts_kept_from": "2026-08-01T00:00:00.000Z",
        "deliveries_kept_from": "2026-05-28T15:30:00.000Z",
    }

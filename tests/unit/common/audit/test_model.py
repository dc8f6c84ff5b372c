"""Where a window begins, and how a report reads for a program."""

from datetime import UTC, datetime, timedelta

from gateway_common.audit.model import (
    CHECKS,
    CheckResult,
    Finding,
    Report,
    kept_parameters,
    report_snapshot,
    window_parameters,
)
from gateway_common.ids import EVENT, PAYMENT, WEBHOOK_DELIVERY, first_id, new_id

SINCE = datetime(2026, 11, 23, 14, 5, 6, 789_000, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def test_a_window_begins_with_the_first_id_of_its_moment() -> None:
    begin = window_parameters(SINCE)["payments_from"]

    assert new_id(PAYMENT, SINCE - MILLISECOND) < begin <= new_id(PAYMENT, SINCE)


def test_events_of_a_machine_whose_clock_is_behind_are_in_the_window() -> None:
    assert window_parameters(SINCE)["events_from"] <= new_id(EVENT, SINCE - timedelta(minutes=59))


def test_without_a_moment_every_id_is_in_it() -> None:
    parameters = window_parameters(None)

    assert parameters.pop("everything") is True
    assert set(parameters.values()) == {""}
    assert parameters.keys() == window_parameters(SINCE).keys() - {"everything"}


def test_what_may_have_been_dropped_is_not_asked_about() -> None:
    kept = {"webhook_deliveries": SINCE - timedelta(days=9), "webhook_attempts": SINCE - timedelta(days=3)}
    whole, recent = kept_parameters(None, kept), kept_parameters(SINCE, kept)

    assert whole["deliveries_from"] == first_id(WEBHOOK_DELIVERY, SINCE - timedelta(days=9))
    assert whole["attempts_from"] == SINCE - timedelta(days=3)
    assert recent["deliveries_from"] == first_id(WEBHOOK_DELIVERY, SINCE - timedelta(hours=1))
    assert recent["attempts_from"] == SINCE - timedelta(hours=2)
    for parameters in (whole, recent, kept_parameters(None, {})):
        assert parameters["given_events_from"][4:] == parameters["deliveries_from"][4:]


def test_without_marks_all_is_asked_about() -> None:
    parameters = kept_parameters(None, {})

    assert parameters["deliveries_from"] < new_id(WEBHOOK_DELIVERY, datetime(1971, 1, 1, tzinfo=UTC))
    assert parameters["attempts_recorded_from"].year == 1970


def test_a_report_names_each_check_with_its_rows() -> None:
    broken = CheckResult(check=CHECKS[0], findings=(Finding(CHECKS[0].name, "pay_1", "how"),), count=2)
    report = Report(results=(broken, CheckResult(check=CHECKS[1], findings=(), count=0)), rows={"payments": 7})

    snapshot = report_snapshot(report)
    assert report.broken == (broken,)
    assert (snapshot["holds"], snapshot["rows"]) == (False, {"payments": 7})
    assert snapshot["checks"][0]["findings"] == [{"subject": "pay_1", "detail": "how"}]
    assert (snapshot["checks"][0]["count"], snapshot["checks"][1]["count"]) == (2, 0)


def test_check_names_are_unlike() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)

"""How two clocks are compared: the other was read between asking and answering, so only what lies outside counts."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway_cli.doctor.answer import compare_clocks

ASKED = datetime(2026, 11, 23, 14, 5, 6, tzinfo=UTC)
ANSWERED = ASKED + timedelta(seconds=3)


@pytest.mark.parametrize(("seconds", "is_fine"), [(-1.0, False), (-0.9, True), (1.5, True), (3.9, True), (4.0, False)])
def test_a_clock_may_be_off_by_less_than_a_second(seconds: float, *, is_fine: bool) -> None:
    answer = compare_clocks("Redis", ASKED + timedelta(seconds=seconds), ASKED, ANSWERED)

    assert answer.is_fine is is_fine
    assert ("NTP" in answer.sentence) is not is_fine


def test_the_difference_is_told() -> None:
    answer = compare_clocks("Redis", ANSWERED + timedelta(seconds=90), ASKED, ANSWERED)

    assert "differ by 90.0 s" in answer.sentence

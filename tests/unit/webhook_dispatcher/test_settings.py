"""Which retry schedule the dispatcher goes by, as its environment says."""

import pytest
from pydantic import ValidationError

from gateway_webhook_dispatcher.settings import DispatcherSettings

NEEDED = {
    "DATABASE_URL": "postgresql://gateway@localhost/gateway",
    "REDIS_URL": "redis://localhost",
    "GATEWAY_MASTER_KEY": "unread here",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    for name in (
        "WEBHOOK_RETRY_INTERVALS",
        "WEBHOOK_RETRY_INTERVALS_TEST",
        "WEBHOOK_ALLOW_PRIVATE_NETWORKS",
        "WEBHOOK_ALLOWED_NETWORKS",
        "WEBHOOK_LIVE_PORTS",
    ):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_without_settings_retries_come_after_one_five_thirty_and_a_hundred_and_twenty_minutes() -> None:
    assert DispatcherSettings().retry_plan.intervals_seconds == (60, 300, 1800, 7200)


def test_the_schedule_for_tests_is_five_seconds_four_times(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WEBHOOK_RETRY_INTERVALS_TEST", "true")

    assert DispatcherSettings().retry_plan.intervals_seconds == (5, 5, 5, 5)


def test_a_schedule_that_is_spelt_out_wins(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WEBHOOK_RETRY_INTERVALS_TEST", "true")
    environment.setenv("WEBHOOK_RETRY_INTERVALS", "1, 2.5,600")

    assert DispatcherSettings().retry_plan.intervals_seconds == (1, 2.5, 600)


def test_an_empty_schedule_means_none_was_set(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WEBHOOK_RETRY_INTERVALS", "")

    assert DispatcherSettings().retry_plan.intervals_seconds == (60, 300, 1800, 7200)


@pytest.mark.parametrize("value", ["soon", "1,,2", "0", "-5", "nan", "inf", "604801"])
def test_a_schedule_that_makes_no_sense_is_refused(environment: pytest.MonkeyPatch, value: str) -> None:
    environment.setenv("WEBHOOK_RETRY_INTERVALS", value)

    with pytest.raises(ValidationError, match="webhook_retry_intervals"):
        DispatcherSettings()


@pytest.mark.usefixtures("environment")
def test_private_networks_are_closed_unless_opened() -> None:
    assert DispatcherSettings().webhook_allow_private_networks is False


def test_an_attempt_must_end_before_its_lease_does(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WEBHOOK_TIMEOUT_SECONDS", "60")

    with pytest.raises(ValidationError, match="at most three quarters of JOB_TIMEOUT_SECONDS"):
        DispatcherSettings()

    environment.setenv("JOB_TIMEOUT_SECONDS", "80")
    assert DispatcherSettings().webhook_timeout_seconds == 60


def test_a_shorter_job_timeout_shortens_the_attempt(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("JOB_TIMEOUT_SECONDS", "8")

    assert DispatcherSettings().webhook_timeout_seconds == 6


def test_the_guard_is_as_the_operator_says(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WEBHOOK_ALLOWED_NETWORKS", "10.20.0.0/16,fd00::/8")
    environment.setenv("WEBHOOK_LIVE_PORTS", "443,8443")

    guard = DispatcherSettings().guard

    assert guard.permits("10.20.1.2")
    assert not guard.permits("10.21.1.2")
    assert guard.live_ports == {443, 8443}


@pytest.mark.usefixtures("environment")
def test_without_settings_no_network_is_allowed_and_live_mode_takes_443() -> None:
    guard = DispatcherSettings().guard

    assert not guard.permits("10.20.1.2")
    assert guard.live_ports == {443}


@pytest.mark.parametrize(
    ("name", "value"),
    [("WEBHOOK_ALLOWED_NETWORKS", "10.20.0.1/16"), ("WEBHOOK_LIVE_PORTS", "https"), ("WEBHOOK_LIVE_PORTS", "70000")],
)
def test_networks_and_ports_that_are_none_are_refused(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)

    with pytest.raises(ValidationError, match=name.lower()):
        DispatcherSettings()

"""Settings are read from the environment, and a wrong one is named without showing its value."""

from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from gateway_common.settings import (
    ProcessSettings,
    StoreSettings,
    WorkerSettings,
    normalize_database_url,
)

STORES: dict[str, Any] = {
    "database_url": "postgresql://u:p@h/d",
    "redis_url": "redis://r",
    "gateway_master_key": "bWFzdGVy",
}


class ServiceSettings(ProcessSettings, StoreSettings):
    """Settings as a service composes them."""


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGUSER", "PGPASSWORD", "METRICS_PORT", "LOG_LEVEL", "LOG_FORMAT", "TEST_MODE", "HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://u:p@h:5432/d", "postgresql+psycopg://u:p@h:5432/d"),
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("jdbc:postgresql://h:5432/d", "postgresql+psycopg://h:5432/d"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg://u@h/d"),
        ("postgresql+asyncpg://u@h/d", "postgresql+psycopg://u@h/d"),
        ("postgresql://u:p@h/d?sslmode=require", "postgresql+psycopg://u:p@h/d?sslmode=require"),
        ("postgresql://u:p%40ss@[::1]:5432/d", "postgresql+psycopg://u:p%40ss@[::1]:5432/d"),
    ],
)
def test_every_way_to_write_the_database_address_names_our_driver(given: str, used: str) -> None:
    assert normalize_database_url(given) == used


def test_user_and_password_come_from_the_environment_where_the_address_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGUSER", "gate@way")
    monkeypatch.setenv("PGPASSWORD", "a/b:c@d")

    url = normalize_database_url("jdbc:postgresql://h:5432/d")

    assert url == "postgresql+psycopg://gate%40way:a%2Fb%3Ac%40d@h:5432/d"


def test_a_user_without_a_password_is_taken_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGUSER", "gateway")

    assert normalize_database_url("postgresql://h/d") == "postgresql+psycopg://gateway@h/d"


def test_the_addresss_own_user_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGUSER", "other")
    monkeypatch.setenv("PGPASSWORD", "other")

    assert normalize_database_url("postgresql://u:p@h/d") == "postgresql+psycopg://u:p@h/d"


@pytest.mark.parametrize("url", ["", "h/d", "mysql://u@h/d", "jdbc:mysql://h/d", "http://h", "postgresqlx://h/d"])
def test_an_address_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be a postgresql:// address"):
        normalize_database_url(url)


def test_a_refused_setting_does_not_show_its_value() -> None:
    with pytest.raises(ValidationError) as caught:
        ServiceSettings(metrics_port=9100, **STORES | {"database_url": "mysql://user:top-secret@h/d"})

    assert "postgresql:// address" in str(caught.value)
    assert "top-secret" not in str(caught.value)


def test_the_master_key_does_not_show_when_settings_are_printed() -> None:
    assert "bWFzdGVy" not in repr(StoreSettings(**STORES))


def test_a_process_needs_nothing_but_its_metrics_port() -> None:
    settings = ProcessSettings(metrics_port=9100)

    assert (settings.log_level, settings.log_format, settings.test_mode) == ("INFO", "json", False)


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        (ProcessSettings, {"metrics_port": 0}),
        (ProcessSettings, {"metrics_port": 65_536}),
        (ProcessSettings, {"metrics_port": 9100, "log_level": "LOUD"}),
        (ProcessSettings, {"metrics_port": 9100, "log_format": "xml"}),
        (ProcessSettings, {"metrics_port": 9100, "test_mode": "perhaps"}),
        (StoreSettings, STORES | {"database_pool_size": 0}),
        (WorkerSettings, {"job_timeout_seconds": 0}),
    ],
)
def test_a_setting_out_of_its_bounds_is_refused(settings: type[BaseSettings], values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**values)


def test_drain_and_lease_limit_follow_from_the_job_timeout() -> None:
    settings = WorkerSettings(job_timeout_seconds=20)

    assert settings.drain_seconds > settings.job_timeout_seconds
    assert settings.lease_limit_seconds > settings.drain_seconds

"""The API needs three settings, and a wrong one is named without showing its value."""

import pytest
from pydantic import ValidationError

from gateway_api.settings import ApiSettings

NAMES = ("DATABASE_URL", "REDIS_URL", "GATEWAY_MASTER_KEY", "API_BODY_MAX_BYTES", "PORT", "METRICS_PORT", "TEST_MODE")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@h/d")
    monkeypatch.setenv("REDIS_URL", "redis://h")
    monkeypatch.setenv("GATEWAY_MASTER_KEY", "bWFzdGVy")


def test_ports_and_limits_have_the_documented_defaults() -> None:
    settings = ApiSettings()

    assert (settings.port, settings.metrics_port, settings.body_max_bytes) == (8000, 9100, 64 * 1024)
    assert settings.test_mode is False


def test_the_body_limit_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_BODY_MAX_BYTES", "2048")

    assert ApiSettings().body_max_bytes == 2048


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "GATEWAY_MASTER_KEY"])
def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)

    with pytest.raises(ValidationError, match=name.lower()):
        ApiSettings()


def test_a_wrong_database_address_is_refused_without_showing_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://u:top-secret@h/d")

    with pytest.raises(ValidationError) as caught:
        ApiSettings()

    assert "database_url" in str(caught.value)
    assert "top-secret" not in str(caught.value)

"""The API needs three settings, and a wrong one is named without showing its value."""

import pytest
from pydantic import ValidationError

from gateway_api.callbacks.readers import build_readers
from gateway_api.settings import ApiSettings

NAMES = (
    "DATABASE_URL", "REDIS_URL", "GATEWAY_MASTER_KEY", "API_BODY_MAX_BYTES", "PORT", "METRICS_PORT", "TEST_MODE",
    "RATE_LIMIT_PER_KEY", "RATE_LIMIT_PER_ADDRESS", "TRUSTED_PROXIES",
    "STRIPE_WEBHOOK_SECRETS", "WEBHOOK_LIVE_PORTS",
)  # fmt: skip


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


def test_limits_are_a_rate_and_a_burst_and_nobody_is_trusted_by_default() -> None:
    settings = ApiSettings()

    assert settings.key_limit == (1_000, 2_000)
    assert settings.address_limit == (50, 200)
    assert settings.trusted_proxies == ()


def test_limits_and_proxies_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE_LIMIT_PER_KEY", "7")
    monkeypatch.setenv("RATE_LIMIT_PER_ADDRESS", "1")
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::1")

    settings = ApiSettings()

    assert (settings.key_limit, settings.address_limit) == ((7, 14), (1, 4))
    assert settings.trusted_proxies == ("10.0.0.0/8", "2001:db8::1/128")


@pytest.mark.parametrize(
    ("name", "value"),
    [("RATE_LIMIT_PER_KEY", "0"), ("RATE_LIMIT_PER_ADDRESS", "0"), ("TRUSTED_PROXIES", "*"), ("TRUSTED_PROXIES", "x")],
)
def test_a_limit_of_nothing_and_a_trust_in_everybody_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError, match=name.lower()):
        ApiSettings()


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


def test_stripes_callbacks_are_read_by_every_secret_and_without_one_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert build_readers(ApiSettings()) == {}

    monkeypatch.setenv("STRIPE_WEBHOOK_SECRETS", "whsec_old, whsec_new,")

    settings = ApiSettings()
    assert [secret.get_secret_value() for secret in settings.stripe_webhook_secrets] == ["whsec_old", "whsec_new"]
    assert "whsec_old" not in repr(settings)
    assert set(build_readers(settings)) == {"stripe"}


def test_what_is_no_webhook_secret_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRETS", "whsec_old,sk_live_1")

    with pytest.raises(ValidationError, match="must begin with whsec_") as refused:
        ApiSettings()
    assert "sk_live_1" not in str(refused.value)


def test_live_endpoints_listen_on_443_unless_other_ports_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ApiSettings().webhook_live_ports == {443}

    monkeypatch.setenv("WEBHOOK_LIVE_PORTS", "443, 8443")
    assert ApiSettings().webhook_live_ports == {443, 8443}


@pytest.mark.parametrize("ports", ["", "https", "70000", "0", "443;8443"])
def test_ports_that_are_none_stop_the_api(monkeypatch: pytest.MonkeyPatch, ports: str) -> None:
    monkeypatch.setenv("WEBHOOK_LIVE_PORTS", ports)

    with pytest.raises(ValidationError):
        ApiSettings()

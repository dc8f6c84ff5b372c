"""The settings of Stripe: which keys, where to, and what is refused at the start."""

import pytest
from pydantic import ValidationError

from gateway_processor.stripe_settings import StripeSettings


def test_without_keys_there_is_no_stripe() -> None:
    assert StripeSettings(stripe_test_secret_key=None).stripe_secret_keys == {}


def test_keys_are_by_mode_and_an_empty_one_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_TEST_SECRET_KEY", "")
    monkeypatch.setenv("STRIPE_LIVE_SECRET_KEY", "rk_live_1")

    settings = StripeSettings()

    assert settings.stripe_secret_keys == {True: "rk_live_1"}
    assert "rk_live_1" not in repr(settings)


@pytest.mark.parametrize("key", ["sk_live_1", "pk_test_1", "whsec_1"])
def test_a_key_of_the_other_mode_or_kind_is_refused(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("STRIPE_TEST_SECRET_KEY", key)

    with pytest.raises(ValidationError, match="must begin with sk_test_ or rk_test_"):
        StripeSettings()


@pytest.mark.parametrize(
    "url", ["https://api.stripe.com", "http://127.0.0.1:8420", "http://[::1]:1", "http://localhost:1"]
)
def test_cards_go_over_tls_or_stay_on_this_machine(url: str) -> None:
    assert StripeSettings(stripe_api_base=url).stripe_api_base == url


@pytest.mark.parametrize(
    "url",
    ["http://api.stripe.com", "http://127.0.0.1.example.com", "ftp://localhost", "api.stripe.com", "https://", ""],
)
def test_any_other_address_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        StripeSettings(stripe_api_base=url)

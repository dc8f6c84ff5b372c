"""When an API key opens anything: while it is neither revoked nor expired."""

from dataclasses import replace
from datetime import timedelta

from tests.support.examples import NOW

from gateway_common.merchants.model import ApiKey, is_active

KEY = ApiKey(
    id="key_test_1",
    merchant_id="mer_test",
    merchant_name="Test Merchant",
    livemode=False,
    secret_hash="hash",
    expires_at=None,
    revoked_at=None,
)


def test_a_key_without_dates_is_active() -> None:
    assert is_active(KEY, NOW)


def test_a_revoked_key_opens_nothing() -> None:
    assert not is_active(replace(KEY, revoked_at=NOW - timedelta(days=1)), NOW)


def test_a_key_is_active_until_the_moment_it_expires() -> None:
    key = replace(KEY, expires_at=NOW)

    assert is_active(key, NOW - timedelta(milliseconds=1))
    assert not is_active(key, NOW)
    assert not is_active(key, NOW + timedelta(milliseconds=1))

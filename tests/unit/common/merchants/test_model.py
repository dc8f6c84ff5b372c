"""What an API key opens and until when, how it is rotated and revoked, and who reaches which key."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.examples import NOW

from gateway_common.errors import ConflictError, ForbiddenError, UnprocessableError
from gateway_common.merchants.model import (
    ALL_SCOPES,
    LAST_USE_STEP,
    LIFETIME_MOST,
    ApiKey,
    Merchant,
    Scope,
    api_key_snapshot,
    check_expiry,
    check_reach,
    decide_revocation,
    decide_rotation,
    explain_inactive,
    is_active,
    is_use_worth_noting,
    new_api_key,
    new_key_id,
    new_secret,
)

DAY = timedelta(days=1)
KEY = ApiKey(
    id="key_test_1",
    merchant_id="mer_test",
    merchant_name="Test Merchant",
    merchant_fee_basis_points=0,
    livemode=False,
    name="Shop",
    scopes=frozenset({Scope.WRITE, Scope.READ}),
    secret_hash="hash",
    created_at=NOW - 10 * DAY,
)


def rotate(key: ApiKey, overlap: timedelta = DAY) -> tuple[ApiKey, ApiKey]:
    retired, successor = decide_rotation(key, "key_test_2", "hash 2", overlap=overlap, now=NOW)
    return retired, successor


def test_a_key_without_dates_is_active() -> None:
    assert is_active(KEY, NOW)


def test_a_revoked_key_opens_nothing_and_says_since_when() -> None:
    key = replace(KEY, revoked_at=NOW - DAY, expires_at=NOW - 2 * DAY)

    assert not is_active(key, NOW)
    assert explain_inactive(key) == "This API key was revoked at 2026-11-22T14:05:06.789Z."


def test_a_key_is_active_until_the_moment_it_expires() -> None:
    key = replace(KEY, expires_at=NOW)

    assert is_active(key, NOW - timedelta(milliseconds=1))
    assert not is_active(key, NOW)
    assert not is_active(key, NOW + timedelta(milliseconds=1))


def test_an_expired_key_says_since_when_and_what_replaces_it() -> None:
    expired = replace(KEY, expires_at=NOW)

    assert explain_inactive(expired) == "This API key expired at 2026-11-23T14:05:06.789Z."
    assert explain_inactive(replace(expired, replaced_by="key_test_2")).endswith("789Z. key_test_2 replaces it.")


@pytest.mark.parametrize("livemode", [False, True])
def test_ids_and_secrets_say_their_mode_and_are_never_made_twice(livemode: bool) -> None:  # noqa: FBT001
    mode = "live" if livemode else "test"

    ids = {new_key_id(NOW, livemode=livemode) for _ in range(1000)}
    secrets = {new_secret(livemode=livemode) for _ in range(1000)}

    assert len(ids) == len(secrets) == 1000
    assert all(re.fullmatch(rf"key_{mode}_[0-9a-f]{{30}}", made) for made in ids)
    assert all(re.fullmatch(rf"secret_{mode}_[0-9a-f]{{48}}", made) for made in secrets)


@pytest.mark.parametrize("livemode", [False, True])
def test_a_new_key_is_its_merchants_and_was_never_used(livemode: bool) -> None:  # noqa: FBT001
    merchant = Merchant(id="mer_1", name="Shop", fee_basis_points=250, created_at=NOW - DAY)

    key = new_api_key(merchant, "hash", livemode=livemode, name="CI", scopes=ALL_SCOPES, expires_at=NOW + DAY, now=NOW)

    assert key == ApiKey(
        id=key.id,
        merchant_id="mer_1",
        merchant_name="Shop",
        merchant_fee_basis_points=250,
        livemode=livemode,
        name="CI",
        scopes=ALL_SCOPES,
        secret_hash="hash",
        created_at=NOW,
        expires_at=NOW + DAY,
    )
    assert key.id.startswith("key_live_" if livemode else "key_test_")


def test_rotating_gives_a_like_key_and_lets_the_old_one_work_for_the_overlap() -> None:
    retired, successor = rotate(KEY)

    assert retired == replace(KEY, replaced_by="key_test_2", expires_at=NOW + DAY)
    assert successor == replace(KEY, id="key_test_2", secret_hash="hash 2", created_at=NOW)
    assert is_active(retired, NOW + DAY - timedelta(milliseconds=1))
    assert not is_active(retired, NOW + DAY)


def test_without_overlap_the_old_key_ends_at_once() -> None:
    retired, successor = rotate(KEY, timedelta(0))

    assert not is_active(retired, NOW)
    assert is_active(successor, NOW)


def test_a_rotated_key_never_lives_longer_than_it_would_have() -> None:
    retired, successor = rotate(replace(KEY, expires_at=NOW + timedelta(hours=1)))

    assert retired.expires_at == NOW + timedelta(hours=1)
    assert successor.expires_at == NOW + 10 * DAY + timedelta(hours=1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"replaced_by": "key_test_9"}, "rotated before: key_test_9 replaces it"),
        ({"replaced_by": "key_test_9", "expires_at": NOW}, "rotated before"),
        ({"revoked_at": NOW}, "was revoked at"),
        ({"expires_at": NOW}, "expired at"),
    ],
)
def test_a_key_that_is_replaced_revoked_or_expired_is_not_rotated(change: dict[str, object], reason: str) -> None:
    with pytest.raises(ConflictError, match=reason):
        rotate(replace(KEY, **change))  # type: ignore[arg-type]


def test_the_first_revocation_counts() -> None:
    revoked = decide_revocation(KEY, NOW)

    assert revoked.revoked_at == NOW
    assert decide_revocation(revoked, NOW + DAY) == revoked


@given(st.sets(st.sampled_from(Scope)), st.sets(st.sampled_from(Scope)))
def test_a_caller_reaches_exactly_the_keys_that_may_no_more_than_itself(scopes: set[Scope], held: set[Scope]) -> None:
    if scopes <= held:
        check_reach(scopes, held)
        return
    with pytest.raises(ForbiddenError) as caught:
        check_reach(scopes, held)
    named = set(caught.value.message.partition("It lacks: ")[2].rstrip(".").split(", "))
    assert named == scopes - held


@pytest.mark.parametrize("expires_at", [NOW, NOW - DAY, NOW + LIFETIME_MOST + timedelta(milliseconds=1)])
def test_an_end_that_is_past_or_beyond_ten_years_is_refused(expires_at: object) -> None:
    with pytest.raises(UnprocessableError, match="within ten years") as caught:
        check_expiry(expires_at, NOW)  # type: ignore[arg-type]

    assert caught.value.param == "expires_at"


@pytest.mark.parametrize("expires_at", [None, NOW + timedelta(milliseconds=1), NOW + LIFETIME_MOST])
def test_no_end_or_one_within_ten_years_is_fine(expires_at: object) -> None:
    check_expiry(expires_at, NOW)  # type: ignore[arg-type]


def test_a_use_is_worth_noting_once_a_minute() -> None:
    assert is_use_worth_noting(KEY, NOW)
    used = replace(KEY, last_used_at=NOW)
    assert not is_use_worth_noting(used, NOW + LAST_USE_STEP - timedelta(milliseconds=1))
    assert is_use_worth_noting(used, NOW + LAST_USE_STEP)


def test_what_is_shown_of_a_key_holds_neither_secret_nor_hash() -> None:
    shown = api_key_snapshot(replace(KEY, scopes=ALL_SCOPES, last_used_at=NOW))

    assert shown == {
        "id": "key_test_1",
        "object": "api_key",
        "name": "Shop",
        "scopes": ["read", "write", "refunds", "webhooks"],
        "livemode": False,
        "created_at": "2026-11-13T14:05:06.789Z",
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": "2026-11-23T14:05:06.789Z",
        "replaced_by": None,
    }

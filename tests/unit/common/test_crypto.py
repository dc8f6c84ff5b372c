"""What is sealed opens only where it belongs, what is hashed is known again, and no token can be made up."""

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_common.crypto import Keyring, SealBrokenError


def master_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


OLD, NEW = master_key(), master_key()
KEYRING = Keyring(OLD)
ROTATED = Keyring(f"{NEW}, {OLD}")


@given(st.binary(max_size=300), st.text(max_size=40))
def test_what_was_sealed_is_opened_again_in_its_own_place(plaintext: bytes, context: str) -> None:
    assert KEYRING.unseal(KEYRING.seal(plaintext, context=context), context=context) == plaintext


def test_sealing_twice_never_gives_the_same_bytes() -> None:
    assert KEYRING.seal(b"secret", context="a row") != KEYRING.seal(b"secret", context="a row")


def test_a_sealed_value_does_not_show_what_is_in_it() -> None:
    assert b"4111111111111111" not in KEYRING.seal(b"4111111111111111", context="a row")


def test_a_value_moved_to_another_row_does_not_open() -> None:
    sealed = KEYRING.seal(b"secret", context="cards:pay_1")

    with pytest.raises(SealBrokenError, match="cards:pay_2"):
        KEYRING.unseal(sealed, context="cards:pay_2")


@pytest.mark.parametrize("position", [0, 3, 4, 15, 16, -1])
def test_a_value_with_one_bit_changed_does_not_open(position: int) -> None:
    sealed = bytearray(KEYRING.seal(b"secret", context="a row"))
    sealed[position] ^= 1

    with pytest.raises(SealBrokenError):
        KEYRING.unseal(bytes(sealed), context="a row")


@pytest.mark.parametrize("length", [0, 1, 4, 10, 16, 31])
def test_a_value_cut_short_does_not_open(length: int) -> None:
    sealed = KEYRING.seal(b"", context="a row")[:length]

    with pytest.raises(SealBrokenError):
        KEYRING.unseal(sealed, context="a row")


def test_a_value_of_another_master_key_does_not_open() -> None:
    sealed = Keyring(NEW).seal(b"secret", context="a row")

    with pytest.raises(SealBrokenError, match="unknown master key"):
        KEYRING.unseal(sealed, context="a row")


def test_after_rotation_old_values_open_and_new_ones_are_sealed_with_the_new_key() -> None:
    old = KEYRING.seal(b"secret", context="a row")

    new = ROTATED.seal(b"secret", context="a row")

    assert ROTATED.unseal(old, context="a row") == b"secret"
    assert Keyring(NEW).unseal(new, context="a row") == b"secret"
    with pytest.raises(SealBrokenError):
        KEYRING.unseal(new, context="a row")


def test_only_the_right_secret_fits_its_hash() -> None:
    stored = KEYRING.hash_secret("secret_test_xyz789")

    assert KEYRING.verify_secret("secret_test_xyz789", stored)
    assert not KEYRING.verify_secret("secret_test_xyz788", stored)
    assert not KEYRING.verify_secret("", stored)
    assert "secret_test_xyz789" not in stored


@pytest.mark.parametrize("stored", ["", ":", "00", "nonsense", "00000000:", "00000000:ff"])
def test_nothing_fits_a_hash_that_is_none(stored: str) -> None:
    assert not KEYRING.verify_secret("secret", stored)


def test_hashes_survive_a_rotation_until_the_old_key_is_dropped() -> None:
    stored = KEYRING.hash_secret("secret")

    assert ROTATED.verify_secret("secret", stored)
    assert not Keyring(NEW).verify_secret("secret", stored)
    assert ROTATED.hash_secret("secret") != stored


def test_a_fingerprint_knows_its_content_again_and_no_other() -> None:
    stored = KEYRING.fingerprint(b'{"amount":50000}')

    assert KEYRING.verify_fingerprint(b'{"amount":50000}', stored)
    assert ROTATED.verify_fingerprint(b'{"amount":50000}', stored)
    assert not KEYRING.verify_fingerprint(b'{"amount":50001}', stored)
    assert not Keyring(NEW).verify_fingerprint(b'{"amount":50000}', stored)


def test_a_fingerprint_is_neither_a_plain_hash_nor_the_hash_of_a_secret() -> None:
    assert KEYRING.fingerprint(b"x").hex() not in KEYRING.hash_secret("x")
    assert KEYRING.fingerprint(b"x") != Keyring(NEW).fingerprint(b"x")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_token_gives_back_what_was_signed(content: str) -> None:
    assert KEYRING.parse_token(KEYRING.sign_token(content)) == content


def test_a_token_signed_before_a_rotation_is_still_ours() -> None:
    assert ROTATED.parse_token(KEYRING.sign_token("checkout pay_1")) == "checkout pay_1"
    assert KEYRING.parse_token(ROTATED.sign_token("checkout pay_1")) is None


def test_a_token_says_nothing_else_when_its_content_is_exchanged() -> None:
    _, _, digest = KEYRING.sign_token("checkout pay_1").partition(".")
    other, _, _ = KEYRING.sign_token("checkout pay_2").partition(".")

    assert KEYRING.parse_token(f"{other}.{digest}") is None


def test_a_token_can_not_be_made_from_the_hash_of_a_secret() -> None:
    content = base64.urlsafe_b64encode(b"checkout pay_1").decode().rstrip("=")
    digest = KEYRING.hash_secret("checkout pay_1").partition(":")[2]

    assert KEYRING.parse_token(f"{content}.{digest}") is None


@given(st.text(max_size=80))
def test_no_string_but_ours_is_a_token(text: str) -> None:
    assert KEYRING.parse_token(text) is None


@given(st.integers(0, 92), st.characters())
def test_no_changed_token_says_something_new(position: int, character: str) -> None:
    token = KEYRING.sign_token("checkout pay_1 1")
    changed = token[:position] + character + token[position + 1 :]

    assert KEYRING.parse_token(changed) in {None, "checkout pay_1 1"}


@pytest.mark.parametrize(
    ("master_keys", "reason"),
    [
        ("", "must hold 32 bytes, not 0"),
        ("not base64!", "not base64"),
        (base64.b64encode(bytes(31)).decode(), "must hold 32 bytes, not 31"),
        (f"{OLD},", "must hold 32 bytes, not 0"),
    ],
    ids=["empty", "not base64", "31 bytes", "nothing behind the comma"],
)
def test_a_master_key_that_is_none_is_refused_in_words(master_keys: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Keyring(master_keys)


def test_what_is_sealed_hashed_or_fingerprinted_says_by_which_master_key() -> None:
    for keyring in (KEYRING, ROTATED):
        assert keyring.key_id(keyring.seal(b"secret", context="a row")) == keyring.current_key_id
        assert keyring.key_id(keyring.fingerprint(b"content")) == keyring.current_key_id
        assert keyring.is_hash_current(keyring.hash_secret("secret"))

    assert ROTATED.key_ids == {ROTATED.current_key_id, KEYRING.current_key_id}
    assert ROTATED.current_key_id == Keyring(NEW).current_key_id != KEYRING.current_key_id
    assert not ROTATED.is_hash_current(KEYRING.hash_secret("secret"))

"""A value is sealed anew only if an older master key sealed it, and stays bound to its own row."""

import base64

import pytest

from gateway_common.crypto import Keyring, SealBrokenError
from gateway_common.reseal.model import SealedKind, SealedRow, reseal, seal_context

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
BOTH = Keyring(f"{NEW},{OLD}")
PLACES = {
    SealedKind.WEBHOOK_ENDPOINT: ("we_1",),
    SealedKind.OLD_WEBHOOK_SECRET: ("we_1",),
    SealedKind.WEBHOOK_HEADERS: ("we_1",),
    SealedKind.CARD: ("pay_1",),
    SealedKind.ANSWER: ("mer_1", False, "POST /api/v1/api-keys", "a-key-of-mine"),
}


def row(kind: SealedKind, keyring: Keyring) -> SealedRow:
    place = PLACES[kind]
    return SealedRow(place=place, sealed=keyring.seal(b"secret", context=seal_context(kind, place)))


@pytest.mark.parametrize("kind", SealedKind)
def test_what_an_older_key_sealed_is_then_opened_by_the_first_alone(kind: SealedKind) -> None:
    sealed = reseal(BOTH, kind, row(kind, Keyring(OLD)))

    assert sealed is not None
    assert Keyring(NEW).unseal(sealed, context=seal_context(kind, PLACES[kind])) == b"secret"


@pytest.mark.parametrize("kind", SealedKind)
def test_what_the_first_key_sealed_or_nobody_is_left_alone(kind: SealedKind) -> None:
    assert reseal(BOTH, kind, row(kind, Keyring(NEW))) is None
    assert reseal(BOTH, kind, SealedRow(place=PLACES[kind], sealed=None)) is None


@pytest.mark.parametrize("kind", SealedKind)
def test_what_no_key_opens_is_an_error(kind: SealedKind) -> None:
    with pytest.raises(SealBrokenError):
        reseal(Keyring(NEW), kind, row(kind, Keyring(OLD)))


def test_every_place_has_the_words_of_its_noun() -> None:
    """An old secret has those of the one it was, for it is moved as it is."""
    assert [seal_context(kind, place) for kind, place in PLACES.items()] == [
        "webhook_endpoints.sealed_secret:we_1",
        "webhook_endpoints.sealed_secret:we_1",
        "webhook_endpoints.sealed_headers:we_1",
        "payment_cards.sealed:pay_1",
        "idempotency_keys.response_body:mer_1:False:POST /api/v1/api-keys:a-key-of-mine",
    ]


def test_an_old_secret_is_walked_behind_the_one_it_may_have_been() -> None:
    kinds = list(SealedKind)

    assert kinds.index(SealedKind.WEBHOOK_ENDPOINT) < kinds.index(SealedKind.OLD_WEBHOOK_SECRET)

"""What an attempt sends: signatures by the secrets that hold now, and the merchant's own headers, shown to nobody."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook

from gateway_common.crypto import Keyring, SealBrokenError
from gateway_common.webhooks.model import ClaimedDelivery, headers_context, seal_context
from gateway_common.webhooks.signing import new_secret, sign_body
from gateway_webhook_dispatcher.request import HIDDEN, sign_request

TIMESTAMP = 1_614_265_330
BODY = '{"description":"₹ “500”"}'.encode()


@pytest.fixture
def secret() -> str:
    return new_secret()


@pytest.fixture
def old_secret() -> str:
    return new_secret()


@pytest.fixture
def delivery(keyring: Keyring, secret: str) -> ClaimedDelivery:
    return ClaimedDelivery(
        id="dlv_1",
        claim=1,
        attempts=2,
        event_id="evt_1",
        event_type="payment.success",
        body=BODY,
        traceparent=None,
        endpoint_id="we_1",
        url="https://shop.example/hooks",
        sealed_secret=keyring.seal(secret.encode(), context=seal_context("we_1")),
    )


def rotated(delivery: ClaimedDelivery, keyring: Keyring, old_secret: str, **values: Any) -> ClaimedDelivery:
    sealed = keyring.seal(old_secret.encode(), context=seal_context("we_1"))
    return replace(delivery, sealed_old_secret=sealed, **values)


def with_headers(delivery: ClaimedDelivery, keyring: Keyring, headers: dict[str, str]) -> ClaimedDelivery:
    sealed = keyring.seal(orjson.dumps(headers), context=headers_context("we_1"))
    return replace(delivery, sealed_headers=sealed)


def believed_by(secret: str, headers: dict[str, str]) -> bool:
    """Whether the signature that the published library makes with this secret is among ours."""
    made_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    expected = Webhook(secret).sign(headers["webhook-id"], made_at, BODY.decode())
    return expected in headers["webhook-signature"].split(" ")


def test_one_secret_makes_one_signature_of_each_kind(delivery: ClaimedDelivery, keyring: Keyring, secret: str) -> None:
    headers = sign_request(delivery, keyring, timestamp=TIMESTAMP).headers

    assert headers["X-Webhook-Signature"] == sign_body(secret, BODY)
    assert len(headers["webhook-signature"].split(" ")) == 1
    assert believed_by(secret, headers)
    assert (headers["webhook-id"], headers["X-Webhook-Attempt"]) == ("evt_1", "3")


def test_during_a_rotation_both_secrets_sign_and_the_plain_header_keeps_to_the_old_one(
    delivery: ClaimedDelivery, keyring: Keyring, secret: str, old_secret: str
) -> None:
    headers = sign_request(rotated(delivery, keyring, old_secret), keyring, timestamp=TIMESTAMP).headers

    assert len(headers["webhook-signature"].split(" ")) == 2
    assert believed_by(secret, headers)
    assert believed_by(old_secret, headers)
    assert headers["X-Webhook-Signature"] == sign_body(old_secret, BODY)


def test_once_promoted_the_plain_header_goes_by_the_new_secret_and_both_still_sign(
    delivery: ClaimedDelivery, keyring: Keyring, secret: str, old_secret: str
) -> None:
    promoted = rotated(delivery, keyring, old_secret, promoted=True)

    headers = sign_request(promoted, keyring, timestamp=TIMESTAMP).headers

    assert believed_by(old_secret, headers)
    assert headers["X-Webhook-Signature"] == sign_body(secret, BODY)


def test_the_merchants_own_headers_are_sent_and_their_values_shown_to_nobody(
    delivery: ClaimedDelivery, keyring: Keyring
) -> None:
    request = sign_request(
        with_headers(delivery, keyring, {"Authorization": "Bearer hush"}), keyring, timestamp=TIMESTAMP
    )

    assert request.headers["Authorization"] == "Bearer hush"
    assert request.shown_headers == request.headers | {"Authorization": HIDDEN}


def test_the_merchants_own_headers_never_take_the_place_of_ours(delivery: ClaimedDelivery, keyring: Keyring) -> None:
    theirs = with_headers(delivery, keyring, {"Webhook-ID": "evt_forged", "x-webhook-signature": "none"})

    headers = sign_request(theirs, keyring, timestamp=TIMESTAMP).headers

    assert headers == sign_request(delivery, keyring, timestamp=TIMESTAMP).headers


def test_headers_sealed_for_another_endpoint_are_not_sent(delivery: ClaimedDelivery, keyring: Keyring) -> None:
    sealed = keyring.seal(b'{"A":"b"}', context=headers_context("we_2"))

    with pytest.raises(SealBrokenError):
        sign_request(replace(delivery, sealed_headers=sealed), keyring, timestamp=TIMESTAMP)

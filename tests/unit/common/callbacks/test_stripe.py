"""Stripe's callbacks: whose signature counts and for how long, and which payment one names."""

import hmac
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from gateway_common.callbacks.model import ReceivedCallback
from gateway_common.callbacks.stripe import FRESH_SECONDS, StripeCallbacks
from gateway_common.errors import CallbackRefusedError, InvalidRequestError

SECRET, NEXT_SECRET = "whsec_first", "whsec_next"
SIGNED_AT = 1_750_000_000
NOW = datetime.fromtimestamp(SIGNED_AT, UTC)
PAYMENT_ID = "pay_0197a1b2c3d4ffffffffffffffffff"
READER = StripeCallbacks([SECRET])


def event(**of_object: Any) -> bytes:
    return orjson.dumps({"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": of_object}})


BODY = event(object="payment_intent", metadata={"payment_id": PAYMENT_ID})


def sign(body: bytes = BODY, secret: str = SECRET, timestamp: int = SIGNED_AT) -> str:
    return hmac.digest(secret.encode(), f"{timestamp}.".encode() + body, "sha256").hex()


def headers(signatures: str, timestamp: object = SIGNED_AT) -> dict[str, str]:
    return {"stripe-signature": f"t={timestamp},{signatures}"}


def test_a_signed_callback_names_its_event_and_our_payment() -> None:
    assert READER.read(headers(f"v1={sign()}"), BODY, NOW) == ReceivedCallback("evt_1", PAYMENT_ID)


@pytest.mark.parametrize("kind", ["payment_intent", "charge", "refund"])
def test_every_object_that_we_made_names_the_payment(kind: str) -> None:
    body = event(object=kind, id="x_1", metadata={"payment_id": PAYMENT_ID, "refund_id": "rfnd_1"})

    assert READER.read(headers(f"v1={sign(body)}"), body, NOW).payment_id == PAYMENT_ID


@pytest.mark.parametrize(
    "of_object",
    [
        {},
        {"metadata": None},
        {"metadata": {}},
        {"metadata": {"payment_id": 7}},
        {"metadata": {"payment_id": "order 66"}},
        {"metadata": {"payment_id": "pay_" + "f" * 100}},
    ],
)
def test_an_object_that_is_not_ours_names_none(of_object: dict[str, Any]) -> None:
    body = event(**of_object)

    assert READER.read(headers(f"v1={sign(body)}"), body, NOW) == ReceivedCallback("evt_1", None)


def test_while_secrets_change_either_one_fits_and_so_does_any_of_several_signatures() -> None:
    both = StripeCallbacks([SECRET, NEXT_SECRET])
    theirs = f"v1={sign(secret='whsec_of_somebody_else')}"

    for secret in (SECRET, NEXT_SECRET):
        assert both.read(headers(f"{theirs},v1={sign(secret=secret)},v0=6ffbb59b"), BODY, NOW).event_id == "evt_1"


@pytest.mark.parametrize("seconds", [-FRESH_SECONDS, 0, FRESH_SECONDS])
def test_a_signature_counts_for_five_minutes_to_both_sides(seconds: int) -> None:
    timestamp = SIGNED_AT + seconds

    assert READER.read(headers(f"v1={sign(timestamp=timestamp)}", timestamp), BODY, NOW).event_id == "evt_1"


@pytest.mark.parametrize(
    "refused",
    [
        {},
        headers(""),
        headers("v1="),
        headers(f"v0={sign()}"),
        headers(f"v1={sign(secret=NEXT_SECRET)}"),
        headers(f"v1={sign(BODY + b' ')}"),
        headers(f"v1={sign()}", SIGNED_AT + 1),
        headers(f"v1={sign()}", ""),
        headers(f"v1={sign()}", "٣"),
        headers(f"v1={sign()}", "9" * 40),
        headers(f"v1={sign()},t={SIGNED_AT}"),
        headers("v1=é"),
        headers(f"v1={sign(timestamp=SIGNED_AT - 301)}", SIGNED_AT - 301),
        headers(f"v1={sign(timestamp=SIGNED_AT + 301)}", SIGNED_AT + 301),
        {"stripe-signature": f"v1={sign()}"},
        {"stripe-signature": "," * 100_000},
    ],
)
def test_anything_else_is_refused(refused: dict[str, str]) -> None:
    with pytest.raises(CallbackRefusedError):
        READER.read(refused, BODY, NOW)


def test_without_a_secret_nothing_is_accepted() -> None:
    for secrets in ([], [""]):
        with pytest.raises(CallbackRefusedError):
            StripeCallbacks(secrets).read(headers(f"v1={sign(secret='')}"), BODY, NOW)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"id":1}', b'{"id":""}', b'{"object":"event"}'])
def test_signed_bytes_that_are_no_event_are_a_bad_request(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        READER.read(headers(f"v1={sign(body)}"), body, NOW)

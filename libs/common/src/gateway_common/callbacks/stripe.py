"""Stripe's callbacks without I/O: who signed them, and which payment they are about (https://docs.stripe.com/webhooks).

What they say of the payment is not read: the processor asks.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from gateway_common.callbacks.model import ReceivedCallback
from gateway_common.errors import CallbackRefusedError, InvalidRequestError

HEADER: Final = "stripe-signature"
FRESH_SECONDS: Final = 300
"""A copy that is older is refused; so is one from the future, for one clock is wrong then."""
# A header holds one signature for each secret of the endpoint, and there are two while one replaces the other.
_PARTS_MOST: Final = 32
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")
_EVENT_ID: Final = re.compile(r"[!-~]{1,255}")
_PAYMENT_ID: Final = re.compile(r"pay_[0-9A-Za-z_]{1,60}")


class StripeCallbacks:
    """Reads callbacks that are signed with one of the secrets: several while one replaces another."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = [secret.encode() for secret in secrets if secret]

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ReceivedCallback:
        """The event's id and our payment's; CallbackRefusedError unless Stripe signed these bytes not long ago."""
        timestamp, signatures = _parse_header(headers.get(HEADER, ""))
        if abs(now.timestamp() - int(timestamp)) > FRESH_SECONDS:
            raise CallbackRefusedError(f"The signature is not from the last {FRESH_SECONDS} seconds.")
        content = timestamp.encode() + b"." + body
        # All are compared, so that the time it takes says nothing of which secret fits.
        expected = [hmac.digest(secret, content, "sha256").hex().encode() for secret in self._secrets]
        fits = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in signatures]
        if not any(fits):
            raise CallbackRefusedError("The signature is not of this body and one of the endpoint's secrets.")
        return _parse_event(body)


def _parse_header(header: str) -> tuple[str, list[bytes]]:
    """The time and the signatures of scheme v1 in `t=…,v1=…,v1=…,v0=…`; v0 is for Stripe's own tests."""
    pairs = [part.strip().partition("=") for part in header.split(",", _PARTS_MOST)[:_PARTS_MOST]]
    timestamps = [value for name, _, value in pairs if name == "t"]
    if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]):
        raise CallbackRefusedError("The header Stripe-Signature is missing or can't be read.")
    return timestamps[0], [value.encode() for name, _, value in pairs if name == "v1"]


def _parse_event(body: bytes) -> ReceivedCallback:
    try:
        event: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError("The callback is not JSON.") from error
    event_id = event.get("id") if isinstance(event, dict) else None
    if not isinstance(event_id, str) or not _EVENT_ID.fullmatch(event_id):
        raise InvalidRequestError("The callback is no event of Stripe's.")
    payment_id = _dig(event, "data", "object", "metadata", "payment_id")
    is_ours = isinstance(payment_id, str) and _PAYMENT_ID.fullmatch(payment_id)
    return ReceivedCallback(event_id, payment_id if is_ours else None)


def _dig(value: Any, *names: str) -> Any:
    """What lies under these names, one in the other; None where one is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value

"""Verifies the payment gateway's webhooks: one file for your project, Python 3.8 or newer, nothing to install.

    from payment_gateway_webhooks import WebhookVerificationError, verify

    event = verify(secret, request.headers, request.get_data())

Give the body as it arrived, before any JSON parser, and the secret as it was shown, `whsec_` included. Both functions
return the event, or raise WebhookVerificationError, which says why: answer that with 400.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
import time
from typing import Any, Iterable, Mapping, Sequence, Union

Headers = Union[Mapping[Any, Any], Iterable[Any]]
"""Names to values, or pairs of both, in str or bytes; capital or small letters are all the same."""
_PREFIX = "whsec_"


class WebhookVerificationError(Exception):
    """The webhook can't be trusted; the message says why."""


def verify(
    secrets: str | Sequence[str],
    headers: Headers,
    body: bytes | str,
    tolerance_seconds: float = 300,
    now: float | None = None,
) -> Any:
    """The event, if `webhook-signature` is that of Standard Webhooks and the webhook is not older than the tolerance.

    While a secret is being rotated, one signature and one secret that fit each other are enough.
    """
    given = _lower(headers)
    webhook_id = _header(given, "webhook-id")
    timestamp = _header(given, "webhook-timestamp")
    signatures = [entry for entry in _header(given, "webhook-signature").split() if entry.startswith("v1,")]
    if not signatures:
        raise WebhookVerificationError("webhook-signature holds no signature of version v1")
    _check_time(timestamp, tolerance_seconds, time.time() if now is None else now)
    raw = _bytes(body)
    signed = f"{webhook_id}.{timestamp}.".encode() + raw
    macs = (hmac.new(_decode(secret), signed, "sha256").digest() for secret in _list(secrets))
    expected = ["v1," + base64.b64encode(mac).decode() for mac in macs]
    if not _any_equal(expected, signatures):
        raise WebhookVerificationError(
            "no signature fits: the secret is another one, or the body is not what was sent, to the byte"
        )
    return _parse(raw)


def verify_plain(secrets: str | Sequence[str], headers_or_signature: Headers | str, body: bytes | str) -> Any:
    """The event, if `X-Webhook-Signature` is that of the body. It does not say when it was sent: prefer `verify`."""
    if isinstance(headers_or_signature, str):
        signature = headers_or_signature
    else:
        signature = _header(_lower(headers_or_signature), "x-webhook-signature")
    raw = _bytes(body)
    expected = [hmac.new(secret.encode(), raw, "sha256").hexdigest() for secret in _list(secrets)]
    if not _any_equal(expected, [signature]):
        raise WebhookVerificationError(
            "the signature does not fit: the secret is another one, or the body is not what was sent, to the byte"
        )
    return _parse(raw)


def _lower(headers: Headers) -> dict[str, str]:
    pairs = headers.items() if hasattr(headers, "items") else headers
    return {_text(name).lower(): _text(value) for name, value in pairs if value is not None}


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _header(headers: dict[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    if not value:
        raise WebhookVerificationError(f"the header {name} is missing")
    return value


def _check_time(timestamp: str, tolerance_seconds: float, now: float) -> None:
    if not re.fullmatch("[0-9]{1,12}", timestamp):
        raise WebhookVerificationError("webhook-timestamp is not in whole seconds")
    age = now - int(timestamp)
    # Not `age > tolerance`: of a number that is none (NaN) every comparison is false.
    if not -tolerance_seconds <= age <= tolerance_seconds:
        when = "ago" if age > 0 else "in the future"
        raise WebhookVerificationError(
            f"it was sent {abs(age):.0f} seconds {when}: it may be an old one sent again, or this clock is wrong"
        )


def _list(secrets: str | Sequence[str]) -> list[str]:
    """One secret or several; ValueError for none: with an empty key anybody could sign."""
    found = [secrets] if isinstance(secrets, str) else list(secrets or ())
    if not found or not all(isinstance(secret, str) and secret for secret in found):
        raise ValueError("give the endpoint's secret, or a list of several")
    return found


def _decode(secret: str) -> bytes:
    encoded = secret[len(_PREFIX) :] if secret.startswith(_PREFIX) else secret
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("the secret must be given as it was shown: whsec_ and base64, nothing around it")
    return key


def _bytes(body: bytes | str) -> bytes:
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise TypeError("give the body as it arrived, in bytes: what a JSON parser made of it can't be verified")
    return bytes(body)


def _any_equal(expected: list[str], given: list[str]) -> bool:
    """All are compared, so that the time it takes says nothing about which one fits, or where it differs."""
    pairs = ((one.encode(), other.encode("utf-8", "surrogatepass")) for one in expected for other in given)
    return sum(hmac.compare_digest(one, other) for one, other in pairs) > 0


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WebhookVerificationError("the signature fits, but the body is not JSON") from error

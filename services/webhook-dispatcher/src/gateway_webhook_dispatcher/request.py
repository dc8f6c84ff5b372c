"""What one attempt sends beside the body: the headers, signed now with the secrets that hold now."""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import orjson

from gateway_common.crypto import Keyring
from gateway_common.webhooks.model import ClaimedDelivery, headers_context, seal_context
from gateway_common.webhooks.signing import sign_body, sign_standard

USER_AGENT: Final = f"PaymentGateway-Webhooks/{version('gateway-webhook-dispatcher')}"
HIDDEN: Final = "(hidden)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    headers: dict[str, str]
    shown_headers: dict[str, str]
    """The same, but for the values of the merchant's own headers, which may be credentials."""


def sign_request(delivery: ClaimedDelivery, keyring: Keyring, *, timestamp: int) -> SignedRequest:
    """The headers of one attempt, at `timestamp` in Unix seconds. SealBrokenError.

    `webhook-id` is the event's, the same on every attempt, to dedupe by. While a rotation's overlap lasts,
    `webhook-signature` has a signature by each secret; `X-Webhook-Signature` has room for one, and keeps to the old
    secret until the merchant promotes the new one.
    """
    context = seal_context(delivery.endpoint_id)
    secrets = [keyring.unseal(delivery.sealed_secret, context=context).decode()]
    if delivery.sealed_old_secret is not None:
        secrets.append(keyring.unseal(delivery.sealed_old_secret, context=context).decode())
    plain_secret = secrets[0] if delivery.promoted else secrets[-1]
    signatures = [
        sign_standard(secret, webhook_id=delivery.event_id, timestamp=timestamp, body=delivery.body)
        for secret in secrets
    ]
    ours = {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": USER_AGENT,
        "X-Webhook-Event": delivery.event_type,
        "X-Webhook-Delivery": delivery.id,
        "X-Webhook-Attempt": str(delivery.attempts + 1),
        "X-Webhook-Signature": sign_body(plain_secret, delivery.body),
        "webhook-id": delivery.event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
    if delivery.traceparent is not None:
        ours["traceparent"] = delivery.traceparent
    taken = {name.lower() for name in ours}
    theirs = {name: value for name, value in _own_headers(delivery, keyring).items() if name.lower() not in taken}
    return SignedRequest(headers=theirs | ours, shown_headers=dict.fromkeys(theirs, HIDDEN) | ours)


def _own_headers(delivery: ClaimedDelivery, keyring: Keyring) -> dict[str, str]:
    if delivery.sealed_headers is None:
        return {}
    headers: dict[str, str] = orjson.loads(
        keyring.unseal(delivery.sealed_headers, context=headers_context(delivery.endpoint_id))
    )
    return headers

"""What one attempt sends beside the body: the headers, signed now with the secrets that hold now."""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from gateway_common.crypto import Keyring
from gateway_common.webhooks.model import ClaimedDelivery
from gateway_common.webhooks.sealing import unseal_headers, unseal_secret
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
    secrets = [unseal_secret(keyring, delivery.sealed_secret, delivery.endpoint_id)]
    if delivery.sealed_old_secret is not None:
        secrets.append(unseal_secret(keyring, delivery.sealed_old_secret, delivery.endpoint_id))
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
    own = unseal_headers(keyring, delivery.sealed_headers, delivery.endpoint_id)
    theirs = {name: value for name, value in own.items() if name.lower() not in taken}
    return SignedRequest(headers=theirs | ours, shown_headers=dict.fromkeys(theirs, HIDDEN) | ours)

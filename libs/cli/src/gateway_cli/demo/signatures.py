"""A merchant's check of a webhook, written from the documentation alone: it shares no code with what signs them."""

import base64
import hashlib
import hmac
from collections.abc import Mapping


def verify_body_signature(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """`X-Webhook-Signature`: hex HMAC-SHA256 of the body, with the secret just as it was shown."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, headers.get("x-webhook-signature", ""))


def verify_standard_webhook(secret: str, headers: Mapping[str, str], body: bytes, *, now: float) -> bool:
    """Standard Webhooks: HMAC-SHA256 of `id.timestamp.body`, with the decoded secret, not older than five minutes."""
    tolerance_seconds = 300
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not timestamp.isdigit() or abs(now - int(timestamp)) > tolerance_seconds:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([message_id.encode(), timestamp.encode(), body])
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(expected, signature) for signature in given)

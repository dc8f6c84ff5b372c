"""Signatures of webhooks, and nothing else. Two schemes read one secret string in two ways.

`X-Webhook-Signature` takes the string as it is shown, so that a few lines in any language verify it. Standard Webhooks
takes the bytes it encodes (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

import base64
import hmac
import secrets
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 -- only what secrets begin with.
_SECRET_BYTES: Final = 32


def new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def sign_body(secret: str, body: bytes) -> str:
    """Hex HMAC-SHA256 of the body, keyed with the secret string as shown, `whsec_` included."""
    return hmac.digest(secret.encode(), body, "sha256").hex()


def sign_standard(secret: str, *, webhook_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and base64 HMAC-SHA256 of `id.timestamp.body`, keyed with the decoded secret; timestamp in Unix seconds."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    content = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()

"""What an endpoint keeps sealed, opened and closed: signing secrets, and the merchant's own request headers."""

from collections.abc import Mapping

import orjson

from gateway_common.crypto import Keyring
from gateway_common.webhooks.model import headers_context, seal_context


def seal_secret(keyring: Keyring, secret: str, endpoint_id: str) -> bytes:
    """A signing secret as it is stored: it opens only for this endpoint."""
    return keyring.seal(secret.encode(), context=seal_context(endpoint_id))


def unseal_secret(keyring: Keyring, sealed: bytes, endpoint_id: str) -> str:
    """A signing secret as it is shown, also an old one. SealBrokenError."""
    return keyring.unseal(sealed, context=seal_context(endpoint_id)).decode()


def seal_headers(keyring: Keyring, headers: Mapping[str, str], endpoint_id: str) -> bytes | None:
    """The merchant's own headers as they are stored, for they may be credentials; None if there are none."""
    return keyring.seal(orjson.dumps(headers), context=headers_context(endpoint_id)) if headers else None


def unseal_headers(keyring: Keyring, sealed: bytes | None, endpoint_id: str) -> dict[str, str]:
    """The merchant's own headers in clear. SealBrokenError."""
    if sealed is None:
        return {}
    headers: dict[str, str] = orjson.loads(keyring.unseal(sealed, context=headers_context(endpoint_id)))
    return headers

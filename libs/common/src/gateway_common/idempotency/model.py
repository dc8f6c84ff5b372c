"""The rules of Idempotency-Key, without I/O (draft-ietf-httpapi-idempotency-key-header, with replay as Stripe v2)."""

import re
from dataclasses import dataclass
from datetime import datetime

from gateway_common.errors import IdempotencyInProgressError, InvalidRequestError

_KEY = re.compile(r"[\x21-\x7e]{8,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyScope:
    """Whose key it is and for what: the same key on another route, or of another merchant, is another key."""

    merchant_id: str
    livemode: bool
    route: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The first answer to a request, and the fingerprint of the body it answered."""

    scope: IdempotencyScope
    fingerprint: bytes
    status: int
    body: bytes
    sealed: bool = False
    """Whether the body is encrypted, because it holds a secret."""
    created_at: datetime


def parse_idempotency_key(header: str | None) -> str | None:
    """The key of a request, or None if it has none; InvalidRequestError for one that can't be a key."""
    if header is None:
        return None
    if not _KEY.fullmatch(header):
        raise InvalidRequestError("Idempotency-Key must be 8 to 255 visible ASCII characters.", param="Idempotency-Key")
    return header


def seal_context(scope: IdempotencyScope) -> str:
    """What binds a sealed answer to its key's row."""
    return f"idempotency_keys.response_body:{scope.merchant_id}:{scope.livemode}:{scope.route}:{scope.key}"


def in_progress() -> IdempotencyInProgressError:
    return IdempotencyInProgressError("A request with this Idempotency-Key is still running.")

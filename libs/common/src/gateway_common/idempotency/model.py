"""The rules of Idempotency-Key, without I/O (draft-ietf-httpapi-idempotency-key-header, with replay as Stripe v2)."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from gateway_common.clock import format_time
from gateway_common.errors import IdempotencyInProgressError, InvalidRequestError

KEPT_FOR: Final = timedelta(days=30)
"""How long an answer is given again."""
KEY_PATTERN: Final = r"^[\x21-\x7e]{8,255}$"
KEY_RULE: Final = "must be 8 to 255 visible ASCII characters"
_KEY: Final = re.compile(KEY_PATTERN)
_HEADER: Final = "Idempotency-Key"


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
    body: bytes = field(repr=False)
    sealed: bool = False
    """Whether the body is encrypted, because it holds a secret."""
    created_at: datetime
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """One use of a key, as its owner may look it up: which request it answered, and how often again."""

    key: str
    route: str
    status: int
    body: bytes | None = field(repr=False)
    """None if it holds a secret."""
    request_id: str | None
    replays: int
    last_replayed_at: datetime | None
    created_at: datetime


def key_use_snapshot(use: KeyUse) -> dict[str, Any]:
    """The use of a key as the API shows it. A secret that the answer held is not shown again."""
    return {
        "object": "idempotency_key",
        "key": use.key,
        "route": use.route,
        "request_id": use.request_id,
        "response_status": use.status,
        "response_body": None if use.body is None else orjson.loads(use.body),
        "replays": use.replays,
        "last_replayed_at": None if use.last_replayed_at is None else format_time(use.last_replayed_at),
        "created_at": format_time(use.created_at),
        "expires_at": format_time(use.created_at + KEPT_FOR),
    }


def parse_idempotency_key(header: str | None) -> str | None:
    """The key of a request, or None if it has none; InvalidRequestError for one that can't be a key."""
    if header is None:
        return None
    if not _KEY.fullmatch(header):
        raise InvalidRequestError(f"{_HEADER} {KEY_RULE}.", param=_HEADER)
    return header


def seal_context(scope: IdempotencyScope) -> str:
    """What binds a sealed answer to its key's row."""
    return f"idempotency_keys.response_body:{scope.merchant_id}:{scope.livemode}:{scope.route}:{scope.key}"


def in_progress() -> IdempotencyInProgressError:
    return IdempotencyInProgressError("A request with this Idempotency-Key is still running.")

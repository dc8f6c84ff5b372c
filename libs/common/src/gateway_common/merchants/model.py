"""A merchant and its API keys without I/O: what a key opens, how long, and who may make and change which."""

import secrets
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from gateway_common.clock import format_time
from gateway_common.errors import ConflictError, ForbiddenError, UnprocessableError
from gateway_common.ids import LIVE_KEY, TEST_KEY, new_id

LAST_USE_STEP: Final = timedelta(minutes=1)
"""A key's last use is written at most so often."""
LIFETIME_MOST: Final = timedelta(days=3650)
OVERLAP_MOST: Final = timedelta(days=30)
_SECRET_BYTES: Final = 24
"""192 random bits: one keyed hash protects them, see crypto.py."""


class Scope(StrEnum):
    """What a key may do. None includes another."""

    READ = "read"
    """See everything of its merchant and mode."""
    WRITE = "write"
    """Make and change what is none of the following: payments, orders, API keys."""
    REFUNDS = "refunds"
    WEBHOOKS = "webhooks"


ALL_SCOPES: Final = frozenset(Scope)


class LateSuccess(StrEnum):
    """What a merchant wants of a payment that its provider says yes to after it had ended."""

    KEEP = "keep"
    REFUND = "refund"
    """Give it back at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    id: str
    name: str
    fee_basis_points: int
    """What the gateway keeps of each capture, in hundredths of a percent."""
    created_at: datetime
    late_success: LateSuccess = LateSuccess.KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key pair's public half, and the keyed hash of its secret."""

    id: str
    merchant_id: str
    merchant_name: str
    merchant_fee_basis_points: int
    livemode: bool
    name: str | None
    scopes: frozenset[Scope]
    secret_hash: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """A key was used; `renewed_hash` when the hash it had was an older master key's."""

    key_id: str
    used_at: datetime
    seen_hash: str
    renewed_hash: str | None


def new_key_id(now: datetime, *, livemode: bool) -> str:
    return new_id(LIVE_KEY if livemode else TEST_KEY, now)


def new_secret(*, livemode: bool) -> str:
    """Make the secret half of a key, which is shown once and stored only as a hash."""
    return f"secret_{'live' if livemode else 'test'}_{secrets.token_hex(_SECRET_BYTES)}"


def new_api_key(
    merchant: Merchant,
    secret_hash: str,
    *,
    livemode: bool,
    name: str | None,
    scopes: frozenset[Scope],
    expires_at: datetime | None,
    now: datetime,
) -> ApiKey:
    """Make a key of the merchant, with an id of its own, for the secret of this hash."""
    return ApiKey(
        id=new_key_id(now, livemode=livemode),
        merchant_id=merchant.id,
        merchant_name=merchant.name,
        merchant_fee_basis_points=merchant.fee_basis_points,
        livemode=livemode,
        name=name,
        scopes=scopes,
        secret_hash=secret_hash,
        created_at=now,
        expires_at=expires_at,
    )


def is_active(key: ApiKey, now: datetime) -> bool:
    """Whether the key opens anything now."""
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


def explain_inactive(key: ApiKey) -> str:
    """Why a key that is not active opens nothing, for whoever holds it."""
    if key.revoked_at is not None:
        return f"This API key was revoked at {format_time(key.revoked_at)}."
    successor = f" {key.replaced_by} replaces it." if key.replaced_by else ""
    end = format_time(key.expires_at) if key.expires_at else "an unknown time"
    return f"This API key expired at {end}.{successor}"


def is_use_worth_noting(key: ApiKey, now: datetime) -> bool:
    return key.last_used_at is None or now - key.last_used_at >= LAST_USE_STEP


def check_reach(scopes: AbstractSet[Scope], held: AbstractSet[Scope]) -> None:
    """ForbiddenError if a caller who holds some scopes would make or change a key that has more."""
    missing = [scope for scope in Scope if scope in scopes and scope not in held]
    if missing:
        raise ForbiddenError(
            f"A key reaches only keys with no more scopes than its own. It lacks: {', '.join(missing)}."
        )


def check_lifetime(expires_at: datetime | None, caller_expires_at: datetime | None) -> None:
    """UnprocessableError for a key that would outlive the one that makes it: else no end would contain a leaked key."""
    if caller_expires_at is not None and (expires_at is None or expires_at > caller_expires_at):
        raise UnprocessableError(
            f"expires_at: must not be later than the end of the calling key, {format_time(caller_expires_at)}.",
            param="expires_at",
        )


def check_not_replaced(replaced_by: str | None) -> None:
    """ForbiddenError for a caller whose key was rotated: it may still be used for a while, but not to make keys."""
    if replaced_by is not None:
        raise ForbiddenError(f"This API key was rotated: use its successor, {replaced_by}, to make or change keys.")


def check_expiry(expires_at: datetime | None, now: datetime) -> None:
    """UnprocessableError for an end that has passed or is too far away."""
    if expires_at is not None and not now < expires_at <= now + LIFETIME_MOST:
        raise UnprocessableError("expires_at: must be in the future, within ten years.", param="expires_at")


def decide_rotation(
    key: ApiKey, successor_id: str, secret_hash: str, overlap: timedelta, now: datetime
) -> list[ApiKey]:
    """The key with its end and its successor, and that successor; ConflictError if it has one or opens nothing.

    The successor may what the key may, and lives as long as the key was made to live.
    """
    if key.replaced_by is not None:
        raise ConflictError(f"This API key was rotated before: {key.replaced_by} replaces it.")
    if not is_active(key, now):
        raise ConflictError(explain_inactive(key))
    end = now + overlap
    retired = replace(
        key, replaced_by=successor_id, expires_at=end if key.expires_at is None else min(end, key.expires_at)
    )
    successor = replace(
        key,
        id=successor_id,
        secret_hash=secret_hash,
        created_at=now,
        expires_at=None if key.expires_at is None else now + (key.expires_at - key.created_at),
        last_used_at=None,
    )
    return [retired, successor]


def decide_revocation(key: ApiKey, now: datetime) -> ApiKey:
    """The key as it is once revoked. Its first revocation counts."""
    return key if key.revoked_at is not None else replace(key, revoked_at=now)


def api_key_snapshot(key: ApiKey) -> dict[str, Any]:
    """The key as API and command show it, without its secret."""
    return {
        "id": key.id,
        "object": "api_key",
        "name": key.name,
        "scopes": [scope for scope in Scope if scope in key.scopes],
        "livemode": key.livemode,
        "created_at": format_time(key.created_at),
        "expires_at": _format(key.expires_at),
        "revoked_at": _format(key.revoked_at),
        "last_used_at": _format(key.last_used_at),
        "replaced_by": key.replaced_by,
    }


def merchant_snapshot(merchant: Merchant) -> dict[str, Any]:
    """The merchant as the command shows it."""
    return {
        "id": merchant.id,
        "object": "merchant",
        "name": merchant.name,
        "fee_basis_points": merchant.fee_basis_points,
        "late_success": merchant.late_success,
        "created_at": format_time(merchant.created_at),
    }


def _format(moment: datetime | None) -> str | None:
    return format_time(moment) if moment else None

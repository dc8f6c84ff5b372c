"""A merchant and its API keys, without I/O."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key pair's public half, and the keyed hash of its secret."""

    id: str
    merchant_id: str
    merchant_name: str
    livemode: bool
    secret_hash: str
    expires_at: datetime | None
    revoked_at: datetime | None


def is_active(key: ApiKey, now: datetime) -> bool:
    """Whether the key opens anything now."""
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at)

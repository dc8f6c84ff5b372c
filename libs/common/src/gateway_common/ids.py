"""Identifiers: a prefix that names the noun, then time and chance, so that newer ids sort later."""

import secrets
from base64 import b32hexencode
from datetime import datetime
from typing import Final

PAYMENT: Final = "pay_"
REFUND: Final = "rfnd_"
EVENT: Final = "evt_"
WEBHOOK_ENDPOINT: Final = "we_"
WORKER: Final = "wrk_"
REQUEST: Final = "req_"

_RANDOM_BYTES = 9


def new_id(prefix: str, now: datetime) -> str:
    """Make an id: 48 bits of milliseconds, then 72 random bits, in an alphabet that keeps the order.

    Fifteen bytes are twenty-four characters without padding.
    """
    milliseconds = int(now.timestamp() * 1000)
    raw = milliseconds.to_bytes(6, "big") + secrets.token_bytes(_RANDOM_BYTES)
    return prefix + b32hexencode(raw).decode("ascii").lower()

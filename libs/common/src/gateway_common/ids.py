"""Identifiers: a prefix that names the noun, then time and chance, so that newer ids sort later."""

import secrets
from datetime import datetime
from typing import Final

PAYMENT: Final = "pay_"
REFUND: Final = "rfnd_"
EVENT: Final = "evt_"
WEBHOOK_ENDPOINT: Final = "we_"
MERCHANT: Final = "mer_"
TEST_KEY: Final = "key_test_"
LIVE_KEY: Final = "key_live_"
WORKER: Final = "wrk_"
REQUEST: Final = "req_"

_RANDOM_BYTES: Final = 9


def new_id(prefix: str, now: datetime) -> str:
    """Make an id: 48 bits of milliseconds, then 72 random bits, in hexadecimal."""
    return f"{prefix}{int(now.timestamp() * 1000):012x}{secrets.token_hex(_RANDOM_BYTES)}"

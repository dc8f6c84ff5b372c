"""Identifiers: a prefix that names the noun, then time and chance, so that newer ids sort later."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

PAYMENT: Final = "pay_"
REFUND: Final = "rfnd_"
ORDER: Final = "ord_"
LEDGER_ENTRY: Final = "ent_"
EVENT: Final = "evt_"
WEBHOOK_ENDPOINT: Final = "we_"
WEBHOOK_DELIVERY: Final = "dlv_"
WEBHOOK_REPLAY: Final = "rpl_"
MERCHANT: Final = "mer_"
TEST_KEY: Final = "key_test_"
LIVE_KEY: Final = "key_live_"
WORKER: Final = "wrk_"
REQUEST: Final = "req_"
CALLBACK: Final = "cb_"

_RANDOM_BYTES: Final = 9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MILLISECONDS_MOST: Final = 16**12 - 1


def new_id(prefix: str, now: datetime) -> str:
    """Make an id: 48 bits of milliseconds, then 72 random bits, in hexadecimal."""
    return f"{prefix}{(now - _EPOCH) // _MILLISECOND:012x}{secrets.token_hex(_RANDOM_BYTES)}"


def first_id(prefix: str, moment: datetime) -> str:
    """A bound that sorts before every id made at `moment` or later, and after all those made before it.

    Milliseconds are rounded up, for ids hold none finer: what was made at .0005 counts as made at .000.
    """
    milliseconds = -((_EPOCH - moment) // _MILLISECOND)
    return f"{prefix}{min(max(milliseconds, 0), _MILLISECONDS_MOST):012x}"

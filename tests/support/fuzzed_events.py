"""Events of payments with every kind of text in them, as many as one likes, by the API's own rules and `new_event`.

Hypothesis would take minutes for a hundred thousand; texts are cut here out of one long random one.
"""

import random
from collections.abc import Iterator
from typing import Any, Final

import orjson
from pydantic import ValidationError
from tests.support.examples import NOW, example_payment

from gateway_api.fields import METADATA_KEYS_MOST
from gateway_api.payments.schemas import CreateUpiCollectPayment
from gateway_common.events.model import Event, EventType, new_event
from gateway_common.payments.model import payment_snapshot

REQUEST_BYTES_MOST: Final = 65_536
# What has broken such signatures before.
AWKWARD: Final = [
    "₹", "é", "é", "😀", "👩‍👩‍👧", "\u2028\u2029", "\x7f", "\x85", "\ufeff", "\ufffe", "\uffff", "\ufdd0", "\U0010ffff",
    "\u202e", "</script>", "<!--", "&amp;", "\\", '"', "\\u0041", "/", "\t\n\r\x01\x08\x0c\x1f", "-0", "1e21", "1.0",
    "__proto__", "constructor", "toJSON", "01", "-1", "4294967295x", "٣", " 7", "null", "ﷺ", "\U0001d173",
]  # fmt: skip
_RANGES: Final = (
    (0x01, 0x20), (0x20, 0x7F), (0x7F, 0x100), (0x100, 0x3000), (0x2000, 0x2070), (0x3000, 0xD800), (0xE000, 0xFFFE),
    (0xFFF0, 0x10000), (0x10000, 0x20000), (0x1F300, 0x1FA00), (0xE0000, 0xE0200), (0x10FF00, 0x110000),
)  # fmt: skip
_POOL_CHARACTERS: Final = 400_000
_KEY_CHARACTERS: Final = 40
_VALUE_CHARACTERS: Final = 500


def fuzzed_events(count: int, seed: int) -> Iterator[Event]:
    """So many events, the same ones for the same seed; one in a hundred is as large as a request can make it."""
    chance = random.Random(seed)  # noqa: S311 -- a test's dice.
    pool = _pool(chance)
    made = 0
    while made < count:
        request = _largest(chance, pool) if made % 100 == 0 else _ordinary(chance, pool)
        event = _event_of(request)
        if event is not None:
            made += 1
            yield event


def _event_of(request: dict[str, Any]) -> Event | None:
    """The event of a payment created so; None if the API refuses it."""
    if len(orjson.dumps(request)) > REQUEST_BYTES_MOST:
        return None
    try:
        wanted = CreateUpiCollectPayment.model_validate(request)
    except ValidationError:
        return None
    payment = example_payment(amount_minor=wanted.amount, metadata=wanted.metadata, description=wanted.description)
    snapshot = payment_snapshot(payment)
    return new_event(EventType.PAYMENT_CREATED, snapshot, merchant_id="mer_test", now=NOW, traceparent=None)


def _ordinary(chance: random.Random, pool: str) -> dict[str, Any]:
    metadata = {
        _text(chance, pool, 1 + int(chance.random() ** 3 * 39)): _text(chance, pool, int(chance.random() ** 4 * 400))
        for _ in range(chance.randrange(6))
    }
    description = _text(chance, pool, 1 + chance.randrange(60)) if chance.random() < 0.5 else None
    return _request(chance.randrange(1, 10**12 + 1), metadata, description)


def _largest(chance: random.Random, pool: str) -> dict[str, Any]:
    """As many keys as there may be, as long as they may be, and values up to the longest request."""
    metadata: dict[str, str] = {}
    while len(metadata) < METADATA_KEYS_MOST:
        metadata[_text(chance, pool, _KEY_CHARACTERS)] = ""
    request = _request(10**12, metadata, _text(chance, pool, _VALUE_CHARACTERS))
    left = REQUEST_BYTES_MOST - len(orjson.dumps(request))
    for key in metadata:
        value = _text(chance, pool, _VALUE_CHARACTERS)
        left -= len(orjson.dumps(value))
        if left < 0:
            break
        metadata[key] = value
    return request


def _request(amount: int, metadata: dict[str, str], description: str | None) -> dict[str, Any]:
    request = {"amount": amount, "currency": "INR", "method": "upi", "vpa": "test@upi", "metadata": metadata}
    return request if description is None else request | {"description": description}


def _text(chance: random.Random, pool: str, length: int) -> str:
    start = int(chance.random() * (len(pool) - length))
    return pool[start : start + length]


def _pool(chance: random.Random) -> str:
    """Runs of characters of one kind, awkward ones in between."""
    parts: list[str] = []
    length = 0
    while length < _POOL_CHARACTERS:
        first, end = chance.choice(_RANGES)
        part = "".join(chr(chance.randrange(first, end)) for _ in range(chance.randrange(1, 60)))
        parts += [part, chance.choice(AWKWARD)]
        length += len(part)
    return "".join(parts)

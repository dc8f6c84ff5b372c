"""Cards without I/O: what makes a number one, whose brand it is, and which part of it may be shown.

A number and its CVC exist in three places only: the request, the sealed row, and the call to the provider.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

_NUMBER: Final = re.compile(r"[0-9]{12,19}")
# ISO/IEC 7812 prefixes as the schemes publish them; the first that fits counts.
_BRANDS: Final = (
    ("visa", re.compile(r"4")),
    ("mastercard", re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720")),
    ("amex", re.compile(r"3[47]")),
    ("rupay", re.compile(r"6521|6522|60(?!11)|81|82|508")),
    ("discover", re.compile(r"6011|64[4-9]|65")),
    ("diners", re.compile(r"30[0-5]|3095|36|3[89]")),
    ("jcb", re.compile(r"35(?:2[89]|[3-8])")),
    ("maestro", re.compile(r"50|5[6-9]|6")),
)
_AMEX_CVC_DIGITS: Final = 4
_CVC_DIGITS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card as the provider needs it. Its number and CVC are left out of its representation."""

    number: str = field(repr=False)
    exp_month: int
    exp_year: int
    cvc: str = field(repr=False)
    name: str | None = field(repr=False)


def passes_luhn(number: str) -> bool:
    """Whether the check digit fits (ISO/IEC 7812-1, annex B)."""
    if not _NUMBER.fullmatch(number):
        return False
    digits = [int(digit) for digit in reversed(number)]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[0::2]) + doubled) % 10 == 0


def find_brand(number: str) -> str:
    """The card's scheme by its first digits, or `unknown`."""
    return next((brand for brand, prefix in _BRANDS if prefix.match(number)), "unknown")


def cvc_digits(number: str) -> int:
    """How many digits the card's CVC has."""
    return _AMEX_CVC_DIGITS if find_brand(number) == "amex" else _CVC_DIGITS


def is_past(exp_month: int, exp_year: int, now: datetime) -> bool:
    """Whether a card has expired: it is good until the end of its month."""
    return (exp_year, exp_month) < (now.year, now.month)


def card_summary(card: Card) -> dict[str, Any]:
    """The part of a card that may be stored and shown (PCI DSS 3.4 allows the last four digits)."""
    return {
        "brand": find_brand(card.number),
        "last4": card.number[-4:],
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
    }


def dump_card(card: Card) -> bytes:
    """The card as it is sealed. Read by `parse_card` only."""
    return orjson.dumps(
        {
            "number": card.number,
            "exp_month": card.exp_month,
            "exp_year": card.exp_year,
            "cvc": card.cvc,
            "name": card.name,
        }
    )


def parse_card(content: bytes) -> Card:
    """The card that `dump_card` wrote."""
    return Card(**orjson.loads(content))


def seal_context(payment_id: str) -> str:
    """What binds a sealed card to its payment's row."""
    return f"payment_cards.sealed:{payment_id}"

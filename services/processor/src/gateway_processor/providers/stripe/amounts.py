"""Amounts as Stripe writes them, without I/O. It counts in minor units too, but not everywhere in those of ISO 4217."""

from typing import Final

# https://docs.stripe.com/currencies: ISK and UGX have no cents and are still written with two; MGA has and is not.
_WRITTEN_WITH_CENTS: Final = frozenset({"ISK", "UGX"})
_WRITTEN_WITHOUT_CENTS: Final = frozenset({"MGA"})
# The card networks know no third digit: it is written and has to be 0.
_LAST_DIGIT_ZERO: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_CENTS: Final = 100


def stripe_amount(amount_minor: int, currency: str) -> int | None:
    """The amount in Stripe's units; None if it can't be said in them."""
    if currency in _WRITTEN_WITH_CENTS:
        return amount_minor * _CENTS
    if currency in _WRITTEN_WITHOUT_CENTS:
        whole, part = divmod(amount_minor, _CENTS)
        return None if part else whole
    if currency in _LAST_DIGIT_ZERO and amount_minor % 10:
        return None
    return amount_minor

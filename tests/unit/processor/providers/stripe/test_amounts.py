"""Amounts in Stripe's units (https://docs.stripe.com/currencies)."""

import pytest

from gateway_processor.providers.stripe.amounts import stripe_amount


@pytest.mark.parametrize(
    ("amount_minor", "currency", "expected"),
    [
        (50_000, "INR", 50_000),
        (500, "JPY", 500),
        (5_120, "KWD", 5_120),
        (5_124, "KWD", None),
        (5, "ISK", 500),
        (5, "UGX", 500),
        (500, "MGA", 5),
        (501, "MGA", None),
    ],
)
def test_an_amount_is_written_as_stripe_reads_it(amount_minor: int, currency: str, expected: int | None) -> None:
    assert stripe_amount(amount_minor, currency) == expected

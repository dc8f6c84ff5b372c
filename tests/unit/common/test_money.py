"""Amounts are whole numbers of minor units, and each currency has its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_common.money import AMOUNT_MAX_MINOR, AMOUNT_MIN_MINOR, CURRENCIES, exponent, format_amount


@pytest.mark.parametrize(
    ("currency", "digits"),
    [("INR", 2), ("USD", 2), ("JPY", 0), ("KRW", 0), ("CLP", 0), ("BHD", 3), ("KWD", 3), ("TND", 3)],
)
def test_a_currency_has_the_digits_that_iso_4217_gives_it(currency: str, digits: int) -> None:
    assert exponent(currency) == digits


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (50_000, "INR", "500.00 INR"),
        (1, "INR", "0.01 INR"),
        (100, "INR", "1.00 INR"),
        (0, "INR", "0.00 INR"),
        (1, "JPY", "1 JPY"),
        (1234, "BHD", "1.234 BHD"),
        (5, "BHD", "0.005 BHD"),
        (AMOUNT_MAX_MINOR, "INR", "10000000000.00 INR"),
        (-50_050, "INR", "-500.50 INR"),
        (-1, "INR", "-0.01 INR"),
        (-100, "INR", "-1.00 INR"),
        (-1234, "BHD", "-1.234 BHD"),
        (-7, "JPY", "-7 JPY"),
    ],
)
def test_an_amount_reads_as_a_person_writes_it(amount_minor: int, currency: str, text: str) -> None:
    assert format_amount(amount_minor, currency) == text


@given(st.integers(AMOUNT_MIN_MINOR, AMOUNT_MAX_MINOR), st.sampled_from(sorted(CURRENCIES)))
def test_no_digit_of_an_amount_is_lost_in_its_text(amount_minor: int, currency: str) -> None:
    digits = format_amount(amount_minor, currency).removesuffix(f" {currency}").replace(".", "")

    assert int(digits) == amount_minor


@given(st.integers(AMOUNT_MIN_MINOR, AMOUNT_MAX_MINOR), st.sampled_from(sorted(CURRENCIES)))
def test_what_an_account_gives_reads_as_what_it_gains_with_a_sign(amount_minor: int, currency: str) -> None:
    assert format_amount(-amount_minor, currency) == f"-{format_amount(amount_minor, currency)}"


def test_currencies_are_codes_of_three_capitals() -> None:
    assert all(len(code) == 3 and code.isascii() and code.isalpha() and code.isupper() for code in CURRENCIES)


@pytest.mark.parametrize("code", ["INR", "USD", "EUR", "JPY", "BHD", "GBP", "SGD", "AED"])
def test_common_currencies_are_known(code: str) -> None:
    assert code in CURRENCIES


@pytest.mark.parametrize("code", ["XTS", "XAU", "BTC", "inr", "", "DEM"])
def test_what_is_no_money_in_use_is_not_a_currency(code: str) -> None:
    assert code not in CURRENCIES


def test_every_amount_is_exact_in_javascript() -> None:
    assert AMOUNT_MIN_MINOR == 1
    assert AMOUNT_MAX_MINOR == 10**12 < 2**53

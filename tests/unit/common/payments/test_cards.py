"""What makes digits a card's number, whose brand it is, and that neither number nor CVC shows itself."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_common.payments.cards import (
    Card,
    card_summary,
    cvc_digits,
    dump_card,
    find_brand,
    is_past,
    parse_card,
    passes_luhn,
    seal_context,
)

# Published for tests where there are such, otherwise one of the scheme's published range.
NUMBERS = {
    "4242424242424242": "visa",
    "4000000000000002": "visa",
    "4000000000009995": "visa",
    "4000000000000069": "visa",
    "4000000000000119": "visa",
    "4222222222222": "visa",
    "5555555555554444": "mastercard",
    "5105105105105100": "mastercard",
    "2223003122003222": "mastercard",
    "2720990000000007": "mastercard",
    "378282246310005": "amex",
    "371449635398431": "amex",
    "6521111111111110": "rupay",
    "6073849700004947": "rupay",
    "5085000000000007": "rupay",
    "6011111111111117": "discover",
    "6445644564456445": "discover",
    "6510000000000000": "discover",
    "3056930009020004": "diners",
    "36227206271667": "diners",
    "3530111333300000": "jcb",
    "3566002020360505": "jcb",
    "6759649826438453": "maestro",
    "9111111111111110": "unknown",
}
NOW = datetime(2026, 11, 23, 14, 5, 6, tzinfo=UTC)
NUMBER = st.text("0123456789", min_size=11, max_size=18)


def with_check_digit(digits: str) -> str:
    """The number that these digits begin, its check digit reckoned as the standard tells it, from the right."""
    doubled = "0246813579"
    weighed = [int(doubled[int(d)] if place % 2 == 0 else d) for place, d in enumerate(reversed(digits))]
    return f"{digits}{-sum(weighed) % 10}"


def example_card(number: str = "4242424242424242", cvc: str = "987") -> Card:
    return Card(number=number, exp_month=11, exp_year=2030, cvc=cvc, name="Asha Rao")


@pytest.mark.parametrize(("number", "brand"), NUMBERS.items())
def test_a_published_number_is_of_its_brand(number: str, brand: str) -> None:
    assert find_brand(number) == brand


@pytest.mark.parametrize("number", NUMBERS)
def test_a_published_number_passes_its_check(number: str) -> None:
    assert passes_luhn(number)


@given(NUMBER)
def test_of_ten_numbers_that_differ_in_their_last_digit_exactly_one_passes(digits: str) -> None:
    assert [last for last in range(10) if passes_luhn(f"{digits}{last}")] == [int(with_check_digit(digits)[-1])]


@given(NUMBER, st.data())
def test_no_number_with_one_wrong_digit_passes(digits: str, data: st.DataObject) -> None:
    number = with_check_digit(digits)
    place = data.draw(st.integers(0, len(number) - 1))
    wrong = data.draw(st.sampled_from("0123456789").filter(lambda digit: digit != number[place]))

    assert passes_luhn(number)
    assert not passes_luhn(number[:place] + wrong + number[place + 1 :])


@given(NUMBER, st.data())
def test_no_number_with_two_neighbours_swapped_passes_but_for_09_and_90(digits: str, data: st.DataObject) -> None:
    number = with_check_digit(digits)
    place = data.draw(st.integers(0, len(number) - 2))
    pair = number[place : place + 2]
    swapped = number[:place] + pair[::-1] + number[place + 2 :]

    assert passes_luhn(swapped) == (pair[0] == pair[1] or set(pair) == {"0", "9"})


@pytest.mark.parametrize(
    "number",
    ["", "0", "42424242424", "4" * 20, "4242 4242 4242 4242", "4242424242424242\n", "٤242424242424242", "4242-4242"],
)
def test_what_is_not_12_to_19_plain_digits_never_passes(number: str) -> None:
    assert not passes_luhn(number)


@given(st.text(max_size=30))
def test_any_text_has_a_brand_or_none_and_nothing_breaks(text: str) -> None:
    assert isinstance(passes_luhn(text), bool)
    assert find_brand(text) in {*NUMBERS.values()}


@pytest.mark.parametrize(("number", "digits"), [("378282246310005", 4), ("4242424242424242", 3), ("", 3)])
def test_only_an_american_express_card_has_a_cvc_of_four_digits(number: str, digits: int) -> None:
    assert cvc_digits(number) == digits


@pytest.mark.parametrize(
    ("exp_month", "exp_year", "past"),
    [(11, 2026, False), (12, 2026, False), (1, 2027, False), (10, 2026, True), (12, 2025, True), (11, 2025, True)],
)
def test_a_card_is_good_until_the_end_of_its_month(exp_month: int, exp_year: int, *, past: bool) -> None:
    assert is_past(exp_month, exp_year, NOW) == past


def test_a_summary_shows_brand_last_four_digits_and_expiry_only() -> None:
    summary = card_summary(example_card())

    assert summary == {"brand": "visa", "last4": "4242", "exp_month": 11, "exp_year": 2030}


def test_neither_number_nor_cvc_nor_name_is_in_what_a_card_prints_of_itself() -> None:
    card = example_card("4000000000000119", "987")

    for shown in (repr(card), str(card), f"{card}", repr([card]), repr({"card": card})):
        assert "4000000000000119" not in shown
        assert "0119" not in shown
        assert "987" not in shown
        assert "Asha" not in shown


def test_a_card_is_read_back_as_it_was_sealed() -> None:
    card = example_card("378282246310005", "1234")

    assert parse_card(dump_card(card)) == card


def test_a_sealed_card_fits_its_own_payment_only() -> None:
    assert seal_context("pay_1") != seal_context("pay_2")

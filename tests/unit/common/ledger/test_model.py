"""Double entry: whatever is booked sums to zero, and no unit is lost to a fee's rounding."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.examples import NOW, example_payment, example_refund

from gateway_common.ledger.model import (
    BASIS_POINTS,
    Account,
    LedgerEntry,
    Posting,
    PostingKind,
    balance_snapshot,
    capture_lines,
    entry_snapshot,
    fee_of,
    hold_lines,
    refund_lines,
    release_lines,
)
from gateway_common.money import AMOUNT_MAX_MINOR
from gateway_common.payments.model import CaptureStatus, PaymentStatus, post_capture
from gateway_common.refunds.model import RefundStatus, post_hold, post_settled

AMOUNTS = st.integers(1, AMOUNT_MAX_MINOR)
RATES = st.integers(0, BASIS_POINTS)
Lines = tuple[tuple[Account, int], ...]


def posting_of(*lines: tuple[Account, int]) -> Posting:
    return Posting(
        transaction_id="pay_1:capture:1",
        kind=PostingKind.CAPTURE,
        merchant_id="mer_test",
        livemode=False,
        currency="INR",
        payment_id="pay_1",
        lines=lines,
        created_at=NOW,
    )


@given(AMOUNTS, RATES)
def test_the_lines_of_everything_that_is_booked_sum_to_zero_and_none_is_empty(amount_minor: int, rate: int) -> None:
    booked: list[Lines] = [
        capture_lines(amount_minor, fee_of(amount_minor, rate)),
        hold_lines(amount_minor),
        refund_lines(amount_minor),
        release_lines(amount_minor),
    ]

    for lines in booked:
        assert sum(amount for _, amount in lines) == 0
        assert all(amount != 0 for _, amount in lines)
        assert len({account for account, _ in lines}) == len(lines) >= 2


@given(AMOUNTS, RATES)
def test_a_fee_is_never_negative_nor_more_than_the_amount_and_within_half_a_unit_of_its_share(
    amount_minor: int, rate: int
) -> None:
    fee_minor = fee_of(amount_minor, rate)

    assert 0 <= fee_minor <= amount_minor
    assert abs(fee_minor * BASIS_POINTS - amount_minor * rate) * 2 <= BASIS_POINTS


@pytest.mark.parametrize(
    ("amount_minor", "rate", "fee_minor"),
    [
        (50_000, 0, 0),
        (50_000, 200, 1_000),
        (50_000, 10_000, 50_000),
        (49, 100, 0),
        (50, 100, 1),
        (149, 100, 1),
        (150, 100, 2),
        (1, 5_000, 1),
        (1, 4_999, 0),
        (AMOUNT_MAX_MINOR, 1, 10**8),
    ],
)
def test_half_a_unit_of_a_fee_is_rounded_up(amount_minor: int, rate: int, fee_minor: int) -> None:
    assert fee_of(amount_minor, rate) == fee_minor


@pytest.mark.parametrize(
    ("fee_minor", "lines"),
    [
        (0, {"provider_clearing": -500, "merchant_balance": 500}),
        (10, {"provider_clearing": -500, "merchant_balance": 490, "fees": 10}),
        (500, {"provider_clearing": -500, "fees": 500}),
    ],
)
def test_a_capture_is_the_merchants_less_the_fee(fee_minor: int, lines: dict[str, int]) -> None:
    assert dict(capture_lines(500, fee_minor)) == lines


@given(AMOUNTS, st.data())
def test_a_refund_that_ends_either_way_leaves_nothing_held(amount_minor: int, data: st.DataObject) -> None:
    is_processed = data.draw(st.booleans())
    balances: Counter[Account] = Counter()

    for lines in (
        hold_lines(amount_minor),
        refund_lines(amount_minor) if is_processed else release_lines(amount_minor),
    ):
        for account, amount in lines:
            balances[account] += amount

    gone = amount_minor if is_processed else 0
    assert balances[Account.REFUND_HOLD] == 0
    assert balances[Account.MERCHANT_BALANCE] == -gone
    assert balances[Account.PROVIDER_CLEARING] == gone


@pytest.mark.parametrize(
    "lines",
    [
        ((Account.FEES, 1),),
        ((Account.FEES, 1), (Account.MERCHANT_BALANCE, -2)),
        ((Account.FEES, 0), (Account.MERCHANT_BALANCE, 0)),
        ((Account.FEES, 1), (Account.MERCHANT_BALANCE, -1), (Account.REFUND_HOLD, 0)),
    ],
)
def test_a_posting_that_does_not_balance_can_not_be_made(lines: Lines) -> None:
    with pytest.raises(ValueError, match="pay_1:capture:1 does not balance"):
        posting_of(*lines)


def test_each_thing_is_booked_under_a_name_of_its_own_that_follows_from_it() -> None:
    payment = example_payment(
        status=PaymentStatus.SUCCESS, capture_status=CaptureStatus.COMPLETED, capture_number=2,
        amount_captured_minor=100,
    )  # fmt: skip
    refund = example_refund()
    processed = replace(refund, status=RefundStatus.PROCESSED)
    failed = replace(refund, status=RefundStatus.FAILED)

    postings = [
        post_capture(payment, NOW),
        post_hold(refund, NOW),
        post_settled(processed, NOW),
        post_settled(failed, NOW),
    ]

    assert [(posting.transaction_id, posting.kind) for posting in postings] == [
        ("pay_0example:capture:2", PostingKind.CAPTURE),
        ("rfnd_0example:hold", PostingKind.REFUND_HOLD),
        ("rfnd_0example:processed", PostingKind.REFUND),
        ("rfnd_0example:released", PostingKind.REFUND_RELEASE),
    ]
    assert [posting.refund_id for posting in postings] == [None, refund.id, refund.id, refund.id]


def test_a_balance_is_told_from_the_merchants_side_a_line_a_currency() -> None:
    balances = {
        ("INR", "provider_clearing"): -49_000,
        ("INR", "merchant_balance"): 47_500,
        ("INR", "refund_hold"): 500,
        ("INR", "fees"): 1_000,
        ("BHD", "provider_clearing"): -7,
        ("BHD", "merchant_balance"): 7,
    }

    assert balance_snapshot(balances, livemode=False) == {
        "object": "balance",
        "livemode": False,
        "data": [
            {"currency": "BHD", "available": 7, "held_for_refunds": 0, "fees": 0, "with_providers": 7},
            {"currency": "INR", "available": 47_500, "held_for_refunds": 500, "fees": 1_000, "with_providers": 49_000},
        ],
    }


def test_a_merchant_without_money_has_no_line() -> None:
    assert balance_snapshot({}, livemode=True) == {"object": "balance", "livemode": True, "data": []}


def test_an_entry_shows_what_its_account_gained() -> None:
    entry = LedgerEntry(
        id="ent_1", transaction_id="rfnd_1:hold", kind=PostingKind.REFUND_HOLD, account=Account.REFUND_HOLD,
        currency="INR", amount_minor=500, payment_id="pay_1", refund_id="rfnd_1", livemode=False, created_at=NOW,
    )  # fmt: skip

    assert entry_snapshot(entry) == {
        "id": "ent_1",
        "object": "ledger_entry",
        "transaction_id": "rfnd_1:hold",
        "kind": "refund_hold",
        "account": "refund_hold",
        "amount": 500,
        "currency": "INR",
        "payment_id": "pay_1",
        "refund_id": "rfnd_1",
        "livemode": False,
        "created_at": "2026-11-23T14:05:06.789Z",
    }

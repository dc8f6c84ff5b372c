"""What may be refunded, how often and how far: never beyond what was captured."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.examples import NOW, example_payment, example_refund

from gateway_common.errors import PaymentStateError, UnprocessableError
from gateway_common.payments.model import CaptureStatus, Payment, PaymentStatus
from gateway_common.refunds.model import (
    TRANSITIONS,
    RefundStatus,
    decide_refund,
    move,
    refund_snapshot,
    settle_refund,
)

LATER = NOW + timedelta(seconds=7)
LEGAL = {
    ("pending", "processing"),
    ("pending", "failed"),
    ("processing", "processed"),
    ("processing", "failed"),
}
ILLEGAL = set(product(RefundStatus, RefundStatus)) - {
    (RefundStatus(before), RefundStatus(after)) for before, after in LEGAL
}


def captured(amount_minor: int = 50_000, **changes: object) -> Payment:
    return example_payment(
        status=PaymentStatus.SUCCESS,
        capture_status=CaptureStatus.COMPLETED,
        amount_captured_minor=amount_minor,
        version=4,
        **changes,
    )


def test_the_table_of_transitions_is_the_one_merchants_were_promised() -> None:
    assert TRANSITIONS.keys() == set(RefundStatus)
    assert {(before, after) for before, afters in TRANSITIONS.items() for after in afters} == LEGAL


@pytest.mark.parametrize(("before", "after"), sorted(LEGAL))
def test_a_legal_change_is_made_and_counted(before: str, after: str) -> None:
    refund = example_refund(status=RefundStatus(before), version=2)

    assert move(refund, RefundStatus(after), LATER) == replace(
        refund, status=RefundStatus(after), version=3, updated_at=LATER
    )


@pytest.mark.parametrize(("before", "after"), sorted(ILLEGAL))
def test_every_other_change_is_refused_in_words(before: RefundStatus, after: RefundStatus) -> None:
    with pytest.raises(PaymentStateError, match=f"{before} can't become {after}"):
        move(example_refund(status=before), after, LATER)


def test_a_refund_reserves_its_amount_on_the_payment() -> None:
    reserved, amount = decide_refund(captured(), 1_000, LATER)

    assert amount == 1_000
    assert (reserved.amount_refund_reserved_minor, reserved.amount_refunded_minor) == (1_000, 0)
    assert (reserved.version, reserved.updated_at) == (5, LATER)
    assert reserved.has_open_refund


def test_without_an_amount_all_that_is_left_is_refunded() -> None:
    payment = captured(30_000, amount_refund_reserved_minor=10_000)

    reserved, amount = decide_refund(payment, None, LATER)

    assert amount == 20_000
    assert reserved.amount_refund_reserved_minor == 30_000


def test_a_refund_may_be_asked_for_while_the_capture_is_under_way() -> None:
    payment = replace(captured(), capture_status=CaptureStatus.PENDING)

    assert decide_refund(payment, 1_000, LATER)[1] == 1_000


@pytest.mark.parametrize("status", list(PaymentStatus))
def test_what_was_not_captured_is_not_refunded_and_the_refusal_names_the_status(status: PaymentStatus) -> None:
    with pytest.raises(PaymentStateError, match=f"this one is {status} and not captured"):
        decide_refund(example_payment(status=status), 1_000, LATER)


@pytest.mark.parametrize("wanted", [None, 1])
def test_when_nothing_is_left_a_refund_is_a_conflict(wanted: int | None) -> None:
    with pytest.raises(PaymentStateError, match="Nothing is left"):
        decide_refund(captured(amount_refund_reserved_minor=50_000), wanted, LATER)


def test_more_than_is_left_is_refused_and_the_refusal_names_what_is_left() -> None:
    with pytest.raises(UnprocessableError, match=r"400\.00 INR") as caught:
        decide_refund(captured(amount_refund_reserved_minor=10_000), 40_001, LATER)

    assert caught.value.param == "amount"


def test_a_processed_refund_counts_as_refunded() -> None:
    payment = captured(amount_refund_reserved_minor=1_000, operation_attempt=2)

    settled = settle_refund(payment, example_refund(status=RefundStatus.PROCESSED), LATER)

    assert (settled.amount_refunded_minor, settled.amount_refund_reserved_minor) == (1_000, 1_000)
    assert (settled.version, settled.operation_attempt, settled.has_open_refund) == (5, 0, False)


def test_a_failed_refund_gives_its_reserve_back() -> None:
    payment = captured(amount_refund_reserved_minor=1_000)

    settled = settle_refund(payment, example_refund(status=RefundStatus.FAILED), LATER)

    assert (settled.amount_refunded_minor, settled.amount_refund_reserved_minor) == (0, 0)
    assert decide_refund(settled, None, LATER)[1] == 50_000


@given(st.lists(st.tuples(st.integers(1, 40_000), st.booleans()), max_size=12))
def test_no_row_of_refunds_ever_passes_what_was_captured(wanted: list[tuple[int, bool]]) -> None:
    payment = captured()
    for amount_minor, succeeds in wanted:
        try:
            payment, amount = decide_refund(payment, amount_minor, LATER)
        except (PaymentStateError, UnprocessableError):
            continue
        status = RefundStatus.PROCESSED if succeeds else RefundStatus.FAILED
        payment = settle_refund(payment, example_refund(amount_minor=amount, status=status), LATER)

        assert 0 <= payment.amount_refunded_minor <= payment.amount_refund_reserved_minor
        assert payment.amount_refund_reserved_minor <= payment.amount_captured_minor


def test_the_snapshot_shows_the_refund_object_of_the_contract() -> None:
    refund = example_refund(status=RefundStatus.FAILED, error_code="refund_failed", error_message="No.", version=3)

    assert refund_snapshot(refund) == {
        "id": "rfnd_0example",
        "object": "refund",
        "payment_id": "pay_0example",
        "amount": 1_000,
        "currency": "INR",
        "reason": "Customer requested",
        "status": "failed",
        "error": {"code": "refund_failed", "message": "No."},
        "metadata": {},
        "livemode": False,
        "version": 3,
        "created_at": "2026-11-23T14:05:06.789Z",
        "updated_at": "2026-11-23T14:05:06.789Z",
    }

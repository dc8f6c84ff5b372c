"""What may happen to a payment: the states it can reach, and nothing else."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from tests.support.examples import NOW, example_payment

from gateway_common.errors import PaymentStateError, UnprocessableError
from gateway_common.payments.model import (
    TRANSITIONS,
    CaptureMethod,
    CaptureStatus,
    Operation,
    Payment,
    PaymentStatus,
    authorize,
    complete_capture,
    decide_capture,
    decline,
    fail_capture,
    move,
    next_due_seconds,
    next_operation,
    payment_snapshot,
    provider_key,
)

LATER = NOW + timedelta(seconds=7)
LEGAL = {
    ("pending", "processing"),
    ("pending", "cancelled"),
    ("processing", "success"),
    ("processing", "failed"),
    ("processing", "expired"),
    ("success", "cancelled"),
    ("success", "expired"),
    ("failed", "success"),
    ("cancelled", "success"),
    ("expired", "success"),
}
ILLEGAL = set(product(PaymentStatus, PaymentStatus)) - {
    (PaymentStatus(before), PaymentStatus(after)) for before, after in LEGAL
}


def authorized(**changes: object) -> Payment:
    return example_payment(status=PaymentStatus.SUCCESS, version=3, **changes)


def captured(amount_minor: int = 50_000, **changes: object) -> Payment:
    capture = {"capture_status": CaptureStatus.PENDING, "capture_number": 1, "amount_captured_minor": amount_minor}
    return authorized(**capture | changes)


def test_the_table_of_transitions_is_the_one_merchants_were_promised() -> None:
    assert TRANSITIONS.keys() == set(PaymentStatus)
    assert {(before, after) for before, afters in TRANSITIONS.items() for after in afters} == LEGAL


@pytest.mark.parametrize(("before", "after"), sorted(LEGAL))
def test_a_legal_change_is_made_and_counted(before: str, after: str) -> None:
    payment = example_payment(status=PaymentStatus(before), version=7)

    moved = move(payment, PaymentStatus(after), LATER)

    assert moved == replace(payment, status=PaymentStatus(after), version=8, updated_at=LATER)


@pytest.mark.parametrize(("before", "after"), sorted(ILLEGAL))
def test_every_other_change_is_refused_in_words(before: PaymentStatus, after: PaymentStatus) -> None:
    with pytest.raises(PaymentStateError, match=f"{before} can't become {after}"):
        move(example_payment(status=before), after, LATER)


@pytest.mark.parametrize("before", sorted(set(PaymentStatus) - {PaymentStatus.PROCESSING}))
def test_only_a_payment_in_processing_can_be_declined(before: PaymentStatus) -> None:
    with pytest.raises(PaymentStateError):
        decline(example_payment(status=before), LATER, code="payment_declined", message="No.")


def test_a_manual_payment_is_authorized_and_rests_until_its_authorization_expires() -> None:
    payment = example_payment(status=PaymentStatus.PROCESSING, version=2, operation_attempt=3)

    done = authorize(payment, LATER, authorization_ttl=timedelta(days=7))

    assert done == replace(
        payment,
        status=PaymentStatus.SUCCESS,
        version=3,
        updated_at=LATER,
        operation_attempt=0,
        authorization_expires_at=LATER + timedelta(days=7),
    )
    assert not done.captured
    assert next_operation(done) is Operation.EXPIRE
    assert next_due_seconds(done, LATER) == timedelta(days=7).total_seconds()


def test_an_automatic_payment_is_captured_in_full_in_the_same_version() -> None:
    payment = example_payment(status=PaymentStatus.PROCESSING, version=2, capture_method=CaptureMethod.AUTOMATIC)

    done = authorize(payment, LATER, authorization_ttl=timedelta(days=7))

    assert (done.version, done.captured, done.amount_captured_minor) == (3, True, 50_000)
    assert next_operation(done) is Operation.CAPTURE


def test_a_declined_payment_says_why() -> None:
    payment = example_payment(status=PaymentStatus.PROCESSING, version=2, operation_attempt=2)

    done = decline(payment, LATER, code="insufficient_funds", message="The account holds too little.")

    assert (done.status, done.version, done.operation_attempt) == (PaymentStatus.FAILED, 3, 0)
    assert payment_snapshot(done)["error"] == {
        "code": "insufficient_funds",
        "message": "The account holds too little.",
    }


@pytest.mark.parametrize(("wanted", "taken"), [(None, 50_000), (50_000, 50_000), (1, 1), (49_999, 49_999)])
def test_an_authorized_payment_is_captured_in_full_or_in_part(wanted: int | None, taken: int) -> None:
    payment = authorized()

    done = decide_capture(payment, wanted, LATER)

    assert done is not None
    assert (done.version, done.updated_at) == (4, LATER)
    assert (done.captured, done.capture_status, done.amount_captured_minor) == (True, CaptureStatus.PENDING, taken)


@pytest.mark.parametrize("status", [CaptureStatus.PENDING, CaptureStatus.COMPLETED])
@pytest.mark.parametrize(("taken", "wanted"), [(30_000, 30_000), (50_000, 50_000), (50_000, None)])
def test_the_same_capture_again_changes_nothing(status: CaptureStatus, taken: int, wanted: int | None) -> None:
    assert decide_capture(captured(taken, capture_status=status), wanted, LATER) is None


@pytest.mark.parametrize("wanted", [1, 50_000, 60_000, None])
def test_a_second_capture_of_another_amount_is_a_conflict_that_names_the_first(wanted: int | None) -> None:
    with pytest.raises(PaymentStateError, match=r"300\.00 INR"):
        decide_capture(captured(30_000), wanted, LATER)


@pytest.mark.parametrize("status", sorted(set(PaymentStatus) - {PaymentStatus.SUCCESS}))
def test_only_success_can_be_captured_and_the_refusal_names_the_status(status: PaymentStatus) -> None:
    with pytest.raises(PaymentStateError, match=f"this one is {status}"):
        decide_capture(example_payment(status=status), None, LATER)


def test_more_than_was_authorized_can_not_be_captured() -> None:
    with pytest.raises(UnprocessableError, match=r"500\.00 INR") as caught:
        decide_capture(authorized(), 50_001, LATER)

    assert caught.value.param == "amount"


def test_a_completed_capture_keeps_its_amount() -> None:
    done = complete_capture(captured(30_000, operation_attempt=2), LATER)

    assert (done.capture_status, done.captured, done.amount_captured_minor) == (CaptureStatus.COMPLETED, True, 30_000)
    assert (done.version, done.operation_attempt) == (4, 0)


def test_a_failed_capture_leaves_nothing_captured_nor_reserved_and_says_why() -> None:
    done = fail_capture(captured(amount_refund_reserved_minor=1_000), LATER, code="capture_failed", message="No.")

    assert (done.status, done.captured, done.capture_status) == (PaymentStatus.SUCCESS, False, CaptureStatus.FAILED)
    assert (done.amount_captured_minor, done.amount_refund_reserved_minor) == (0, 0)
    assert (done.version, done.error_code) == (4, "capture_failed")
    assert next_operation(done) is None


def test_after_a_failed_capture_another_may_be_tried_under_a_new_provider_key() -> None:
    first = captured()
    failed = fail_capture(first, LATER, code="capture_failed", message="No.")

    second = decide_capture(failed, 20_000, LATER)

    assert second is not None
    assert (second.captured, second.error_code, second.error_message) == (True, None, None)
    assert provider_key(first, Operation.CAPTURE) != provider_key(second, Operation.CAPTURE)


@pytest.mark.parametrize(
    ("payment", "operation"),
    [
        (example_payment(), Operation.AUTHORIZE),
        (example_payment(status=PaymentStatus.PROCESSING), Operation.AUTHORIZE),
        (authorized(), None),
        (captured(), Operation.CAPTURE),
        (captured(amount_refund_reserved_minor=1), Operation.CAPTURE),
        (captured(capture_status=CaptureStatus.COMPLETED), None),
        (captured(capture_status=CaptureStatus.COMPLETED, amount_refund_reserved_minor=1), Operation.REFUND),
        (
            captured(capture_status=CaptureStatus.COMPLETED, amount_refund_reserved_minor=1, amount_refunded_minor=1),
            None,
        ),
        (authorized(capture_status=CaptureStatus.FAILED), None),
        (example_payment(status=PaymentStatus.FAILED), None),
        (example_payment(status=PaymentStatus.CANCELLED), None),
        (example_payment(status=PaymentStatus.EXPIRED), None),
    ],
)
def test_operations_run_one_at_a_time_authorize_then_capture_then_refunds(
    payment: Payment, operation: Operation | None
) -> None:
    assert next_operation(payment) is operation


def test_every_try_of_one_decision_has_the_same_provider_key() -> None:
    payment = captured(attempt=1)

    for operation in Operation:
        assert provider_key(payment, operation) == provider_key(replace(payment, attempt=9, version=9), operation)
    keys = {operation: provider_key(payment, operation) for operation in Operation}
    # An inquiry asks what became of the authorization.
    assert keys.pop(Operation.INQUIRE) == keys[Operation.AUTHORIZE]
    assert len(set(keys.values())) == len(keys)


def test_the_snapshot_shows_the_payment_object_of_the_contract_and_nothing_internal() -> None:
    snapshot = payment_snapshot(captured(30_000, amount_refund_reserved_minor=500, metadata={"cart": "7"}))

    assert snapshot == {
        "id": "pay_0example",
        "object": "payment",
        "order_id": "ord_test_001",
        "amount": 50_000,
        "currency": "INR",
        "method": "upi",
        "vpa": "test@upi",
        "upi": {"flow": "collect"},
        "card": None,
        "bank": None,
        "wallet": None,
        "status": "success",
        "capture_method": "manual",
        "capture_status": "pending",
        "captured": True,
        "amount_captured": 30_000,
        "amount_refunded": 0,
        "error": None,
        "next_action": None,
        "needs_attention": False,
        "description": None,
        "metadata": {"cart": "7"},
        "livemode": False,
        "version": 3,
        "created_at": "2026-11-23T14:05:06.789Z",
        "updated_at": "2026-11-23T14:05:06.789Z",
    }

"""How a payment that is not captured ends: cancelled or expired, its authorization given back, and when that is due."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.examples import NOW, example_payment

from gateway_common.errors import PaymentStateError
from gateway_common.payments.endings import complete_void, decide_cancel, expire, fail_void, hear_news
from gateway_common.payments.model import (
    UNDER_WAY,
    CaptureStatus,
    Operation,
    Payment,
    PaymentMethod,
    PaymentStatus,
    VoidStatus,
    decide_capture,
    fail_capture,
    is_authorization_expired,
    next_due_seconds,
    next_operation,
    payment_snapshot,
    post_capture,
    provider_key,
)

LATER = NOW + timedelta(seconds=7)
TTL = timedelta(days=7)
OVER = NOW + TTL


def authorized(**changes: object) -> Payment:
    values = {"status": PaymentStatus.SUCCESS, "version": 3, "authorization_expires_at": OVER}
    return example_payment(**values | changes)


def captured(status: CaptureStatus, **changes: object) -> Payment:
    return authorized(capture_status=status, capture_number=1, amount_captured_minor=50_000, **changes)


def refused_capture() -> Payment:
    return fail_capture(captured(CaptureStatus.PENDING), NOW, code="capture_failed", message="No.")


def test_a_payment_that_no_processor_has_taken_is_cancelled_without_a_provider() -> None:
    payment = example_payment()

    done = decide_cancel(payment, LATER)

    assert done == replace(payment, status=PaymentStatus.CANCELLED, version=2, updated_at=LATER)
    assert next_operation(done) is None


def test_an_authorization_that_is_cancelled_is_given_back_by_the_processor() -> None:
    done = decide_cancel(authorized(operation_attempt=2), LATER)

    assert done is not None
    assert (done.status, done.void_status) == (PaymentStatus.CANCELLED, VoidStatus.PENDING)
    assert (done.version, done.updated_at, done.operation_attempt) == (4, LATER, 0)
    assert next_operation(done) is Operation.VOID
    assert next_due_seconds(done, LATER) == 0


def test_an_authorization_whose_capture_was_refused_can_be_cancelled_too() -> None:
    done = decide_cancel(refused_capture(), LATER)

    assert done is not None
    assert (done.status, next_operation(done)) == (PaymentStatus.CANCELLED, Operation.VOID)


@pytest.mark.parametrize("void_status", [None, *VoidStatus])
def test_cancelling_again_changes_nothing(void_status: VoidStatus | None) -> None:
    assert decide_cancel(example_payment(status=PaymentStatus.CANCELLED, void_status=void_status), LATER) is None


@pytest.mark.parametrize("status", [CaptureStatus.PENDING, CaptureStatus.COMPLETED])
def test_a_captured_payment_is_not_cancelled_and_the_refusal_names_its_status_and_the_way_out(
    status: CaptureStatus,
) -> None:
    with pytest.raises(PaymentStateError, match="is success and captured: refund it"):
        decide_cancel(captured(status), LATER)


@pytest.mark.parametrize("status", [PaymentStatus.PROCESSING, PaymentStatus.FAILED, PaymentStatus.EXPIRED])
def test_what_is_with_the_provider_or_over_is_not_cancelled_and_the_refusal_names_its_status(
    status: PaymentStatus,
) -> None:
    with pytest.raises(PaymentStateError, match=f"payment (that )?is {status}"):
        decide_cancel(example_payment(status=status), LATER)


@pytest.mark.parametrize("void_status", [VoidStatus.PENDING, VoidStatus.COMPLETED, VoidStatus.FAILED])
@pytest.mark.parametrize("status", [PaymentStatus.CANCELLED, PaymentStatus.EXPIRED])
def test_what_was_given_back_is_not_captured_any_more(status: PaymentStatus, void_status: VoidStatus) -> None:
    with pytest.raises(PaymentStateError, match=f"this one is {status}"):
        decide_capture(authorized(status=status, void_status=void_status), None, LATER)


def test_an_authorization_that_ran_out_expires_and_is_given_back() -> None:
    payment = authorized(operation_attempt=1)

    done = expire(payment, OVER)

    assert done == replace(
        payment,
        status=PaymentStatus.EXPIRED,
        void_status=VoidStatus.PENDING,
        version=4,
        updated_at=OVER,
        operation_attempt=0,
    )
    assert next_operation(done) is Operation.VOID


def test_a_request_that_the_customer_left_unanswered_expires_with_nothing_to_give_back() -> None:
    done = expire(example_payment(status=PaymentStatus.PROCESSING, version=2), LATER)

    assert (done.status, done.void_status, next_operation(done)) == (PaymentStatus.EXPIRED, None, None)


@pytest.mark.parametrize("status", [CaptureStatus.PENDING, CaptureStatus.COMPLETED])
def test_a_captured_payment_does_not_expire(status: CaptureStatus) -> None:
    with pytest.raises(PaymentStateError, match="captured"):
        expire(captured(status), OVER)


@pytest.mark.parametrize("status", sorted(set(PaymentStatus) - {PaymentStatus.PROCESSING, PaymentStatus.SUCCESS}))
def test_nothing_else_expires_and_the_refusal_names_its_status(status: PaymentStatus) -> None:
    with pytest.raises(PaymentStateError, match=f"is {status} can't become expired"):
        expire(example_payment(status=status), OVER)


@pytest.mark.parametrize(
    ("now", "is_over"), [(NOW, False), (OVER - timedelta(milliseconds=1), False), (OVER, True), (OVER + TTL, True)]
)
def test_an_authorization_is_over_from_its_last_moment_on(now: datetime, *, is_over: bool) -> None:
    assert is_authorization_expired(authorized(), now) == is_over
    assert not is_authorization_expired(authorized(authorization_expires_at=None), now)


def test_an_authorization_that_is_over_is_not_captured_though_nobody_has_noticed_yet() -> None:
    assert decide_capture(authorized(), None, OVER - timedelta(milliseconds=1)) is not None
    with pytest.raises(PaymentStateError, match="is success, but its authorization has expired"):
        decide_capture(authorized(), None, OVER)


def test_a_capture_that_was_decided_in_time_is_the_same_capture_after_it() -> None:
    assert decide_capture(captured(CaptureStatus.PENDING), None, OVER) is None


def test_a_completed_void_leaves_nothing_to_do() -> None:
    before = authorized(status=PaymentStatus.CANCELLED, void_status=VoidStatus.PENDING, operation_attempt=3)

    done = complete_void(before, LATER)

    assert done == replace(before, void_status=VoidStatus.COMPLETED, version=4, updated_at=LATER, operation_attempt=0)
    assert (next_operation(done), next_due_seconds(done, LATER)) == (None, None)


def test_a_void_that_was_refused_is_not_tried_for_ever_but_a_person_is_told() -> None:
    before = authorized(status=PaymentStatus.EXPIRED, void_status=VoidStatus.PENDING, operation_attempt=1)

    done = fail_void(before, LATER)

    assert (done.status, done.void_status, done.needs_attention) == (PaymentStatus.EXPIRED, VoidStatus.FAILED, True)
    assert (done.version, done.operation_attempt, next_operation(done)) == (4, 0, None)
    assert payment_snapshot(done)["needs_attention"] is True


@pytest.mark.parametrize(
    ("payment", "operation"),
    [
        (authorized(), Operation.EXPIRE),
        (refused_capture(), Operation.EXPIRE),
        (captured(CaptureStatus.PENDING), Operation.CAPTURE),
        (captured(CaptureStatus.PENDING, amount_refund_reserved_minor=1), Operation.CAPTURE),
        (captured(CaptureStatus.COMPLETED), None),
        (captured(CaptureStatus.COMPLETED, amount_refund_reserved_minor=1), Operation.REFUND),
        *((authorized(status=status, void_status=VoidStatus.PENDING), Operation.VOID) for status in (
            PaymentStatus.CANCELLED, PaymentStatus.EXPIRED,
        )),
        *((authorized(status=status, void_status=void_status), None) for status, void_status in product(
            (PaymentStatus.CANCELLED, PaymentStatus.EXPIRED), (None, VoidStatus.COMPLETED, VoidStatus.FAILED),
        )),
    ],
)  # fmt: skip
def test_what_is_next_follows_from_what_was_decided(payment: Payment, operation: Operation | None) -> None:
    assert next_operation(payment) is operation


@given(st.timedeltas(-TTL * 2, TTL * 2))
def test_an_authorization_is_due_when_it_is_over_and_work_of_a_provider_at_once(since_now: timedelta) -> None:
    now = NOW + since_now

    for payment in (authorized(), captured(CaptureStatus.PENDING), captured(CaptureStatus.COMPLETED)):
        due_in_seconds = next_due_seconds(payment, now)
        match next_operation(payment):
            case None:
                assert due_in_seconds is None
            case Operation.EXPIRE:
                assert due_in_seconds is not None
                assert (due_in_seconds == 0) == is_authorization_expired(payment, now)
                assert due_in_seconds == max(0, (OVER - now).total_seconds())
            case _:
                assert due_in_seconds == 0


@pytest.mark.parametrize("status", list(PaymentStatus))
def test_a_payment_under_way_is_the_providers_to_answer_and_any_other_is_not(status: PaymentStatus) -> None:
    assert (status in UNDER_WAY) == (next_operation(example_payment(status=status)) is Operation.AUTHORIZE)


def test_a_capture_is_booked_under_the_key_that_the_provider_knows_it_by() -> None:
    payment = captured(CaptureStatus.COMPLETED, fee_basis_points=200)

    posting = post_capture(payment, LATER)

    assert posting.transaction_id == provider_key(payment, Operation.CAPTURE)
    assert dict(posting.lines) == {"provider_clearing": -50_000, "merchant_balance": 49_000, "fees": 1_000}
    assert (posting.kind, posting.payment_id, posting.refund_id) == ("capture", payment.id, None)


@pytest.mark.parametrize(
    ("method", "details", "shown"),
    [
        (PaymentMethod.UPI, {"flow": "qr"}, {"upi": {"flow": "qr"}, "card": None, "bank": None, "wallet": None}),
        (
            PaymentMethod.CARD,
            {"brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030},
            {
                "upi": None,
                "card": {"brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030},
                "bank": None,
                "wallet": None,
            },
        ),
        (PaymentMethod.NETBANKING, {"bank": "hdfc"}, {"upi": None, "card": None, "bank": "hdfc", "wallet": None}),
        (PaymentMethod.WALLET, {"wallet": "paytm"}, {"upi": None, "card": None, "bank": None, "wallet": "paytm"}),
    ],
)
def test_the_snapshot_shows_the_details_of_its_own_method_and_of_no_other(
    method: PaymentMethod, details: dict[str, object], shown: dict[str, object]
) -> None:
    snapshot = payment_snapshot(example_payment(method=method, method_details=details, vpa=None))

    assert {name: snapshot[name] for name in ("upi", "card", "bank", "wallet")} == shown


@pytest.mark.parametrize("status", [PaymentStatus.FAILED, PaymentStatus.CANCELLED, PaymentStatus.EXPIRED])
@pytest.mark.parametrize("void_status", [None, VoidStatus.FAILED])
def test_news_of_a_payment_that_ended_without_an_authorization_has_its_provider_asked(
    status: PaymentStatus, void_status: VoidStatus | None
) -> None:
    ended = example_payment(status=status, provider="bank", void_status=void_status, operation_attempt=3)

    heard = hear_news(ended, LATER)

    assert heard == replace(ended, has_news=True, operation_attempt=0, version=2, updated_at=LATER)
    assert next_operation(heard) is Operation.INQUIRE
    assert hear_news(heard, LATER) == heard, "news of the same is no change"


@pytest.mark.parametrize(
    "payment",
    [
        example_payment(status=PaymentStatus.PROCESSING),
        captured(CaptureStatus.PENDING),
        captured(CaptureStatus.COMPLETED, amount_refund_reserved_minor=1),
        authorized(status=PaymentStatus.CANCELLED, void_status=VoidStatus.PENDING),
        example_payment(status=PaymentStatus.EXPIRED, provider="bank", void_status=VoidStatus.PENDING),
    ],
)
def test_news_of_what_the_provider_is_asked_for_anyway_only_has_it_asked_now(payment: Payment) -> None:
    assert hear_news(payment, LATER) is payment


@pytest.mark.parametrize(
    "payment",
    [
        authorized(provider="bank"),
        captured(CaptureStatus.COMPLETED),
        authorized(status=PaymentStatus.CANCELLED, provider="bank", void_status=VoidStatus.COMPLETED),
        authorized(status=PaymentStatus.EXPIRED, provider="bank", void_status=VoidStatus.FAILED),
        example_payment(status=PaymentStatus.CANCELLED, provider=None),
    ],
)
def test_news_of_what_is_settled_changes_nothing(payment: Payment) -> None:
    assert hear_news(payment, LATER) is None

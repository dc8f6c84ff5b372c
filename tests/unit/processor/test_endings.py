"""What follows when an authorization is given back or runs out, and what each outcome books in the ledger."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.claims import claimed_for
from tests.support.examples import NOW, example_order, example_payment, example_refund

from gateway_common.events.model import EventType
from gateway_common.ledger.model import Account
from gateway_common.orders.model import OrderStatus
from gateway_common.payments.model import CaptureStatus, Operation, Payment, PaymentStatus, VoidStatus
from gateway_common.refunds.model import Refund, RefundStatus
from gateway_processor.outcomes import Concluder, Conclusion, conclude_expiry, order_event
from gateway_processor.providers.base import Approved, Declined, Outcome, Pending, Unknown

TTL = timedelta(days=7)
NO = Declined("refused", "No.")
AUTHORIZED = example_payment(status=PaymentStatus.SUCCESS, version=3, attempt=1, authorization_expires_at=NOW + TTL)
VOIDING = replace(
    AUTHORIZED, status=PaymentStatus.EXPIRED, void_status=VoidStatus.PENDING, version=4, attempt=2, operation_attempt=1
)
CAPTURING = replace(
    AUTHORIZED,
    capture_status=CaptureStatus.PENDING,
    capture_number=1,
    amount_captured_minor=30_000,
    fee_basis_points=250,
    version=4,
    attempt=2,
    operation_attempt=1,
)
REFUND = example_refund(status=RefundStatus.PROCESSING, version=2)
REFUNDING = replace(CAPTURING, capture_status=CaptureStatus.COMPLETED, amount_refund_reserved_minor=1_000)


def concluded(payment: Payment, operation: Operation, outcome: Outcome, refund: Refund | None = None) -> Conclusion:
    return Concluder(TTL).conclude(payment, claimed_for(payment, operation, refund), outcome, NOW)


def booked(conclusion: Conclusion) -> dict[str, dict[Account, int]]:
    return {posting.transaction_id: dict(posting.lines) for posting in conclusion.postings}


def test_an_authorization_that_ran_out_is_expired_told_and_its_void_due_at_once() -> None:
    conclusion = conclude_expiry(AUTHORIZED, NOW + TTL)

    assert (conclusion.payment.status, conclusion.payment.void_status) == (PaymentStatus.EXPIRED, VoidStatus.PENDING)
    assert [event.type for event in conclusion.events] == [EventType.PAYMENT_EXPIRED]
    assert json.loads(conclusion.events[0].body)["data"]["payment"]["status"] == "expired"
    assert conclusion.due_in_seconds == 0
    assert booked(conclusion) == {}


@pytest.mark.parametrize("early", [timedelta(milliseconds=1), timedelta(hours=3), TTL])
def test_an_authorization_looked_at_too_early_is_left_alone_and_looked_at_in_time(early: timedelta) -> None:
    conclusion = conclude_expiry(AUTHORIZED, NOW + TTL - early)

    assert (conclusion.payment, conclusion.events) == (AUTHORIZED, ())
    assert conclusion.due_in_seconds == early.total_seconds()


def test_a_void_that_was_done_changes_no_status_and_tells_nobody_anew() -> None:
    conclusion = concluded(VOIDING, Operation.VOID, Approved())

    assert (conclusion.payment.status, conclusion.payment.void_status) == (PaymentStatus.EXPIRED, VoidStatus.COMPLETED)
    assert (conclusion.events, conclusion.due_in_seconds, booked(conclusion)) == ((), None, {})


def test_a_void_that_was_refused_needs_attention_and_is_not_tried_again() -> None:
    conclusion = concluded(VOIDING, Operation.VOID, NO)

    assert conclusion.payment.needs_attention
    assert (conclusion.payment.status, conclusion.payment.void_status) == (PaymentStatus.EXPIRED, VoidStatus.FAILED)
    assert [event.type for event in conclusion.events] == [EventType.PAYMENT_EXPIRED]
    assert conclusion.due_in_seconds is None


@pytest.mark.parametrize("outcome", [Unknown("no answer"), Pending(check_in_seconds=3.0)])
def test_a_void_without_an_answer_is_asked_after(outcome: Outcome) -> None:
    conclusion = concluded(VOIDING, Operation.VOID, outcome)

    assert conclusion.payment == VOIDING
    assert conclusion.due_in_seconds in {3.0, 5.0}


def test_a_capture_is_booked_when_the_provider_has_said_yes_with_the_fee_of_the_payments_own_time() -> None:
    assert booked(concluded(CAPTURING, Operation.CAPTURE, Approved())) == {
        "pay_0example:capture:1": {
            Account.PROVIDER_CLEARING: -30_000,
            Account.MERCHANT_BALANCE: 29_250,
            Account.FEES: 750,
        }
    }


@pytest.mark.parametrize("outcome", [NO, Unknown("no answer"), Pending()])
def test_a_capture_that_was_not_done_books_nothing(outcome: Outcome) -> None:
    assert booked(concluded(CAPTURING, Operation.CAPTURE, outcome)) == {}


def test_a_refused_capture_waits_for_its_authorizations_end_or_another_capture() -> None:
    conclusion = concluded(CAPTURING, Operation.CAPTURE, NO)

    assert conclusion.due_in_seconds == TTL.total_seconds()


@pytest.mark.parametrize("outcome", [Approved(), NO])
def test_an_authorization_books_nothing_either_way(outcome: Outcome) -> None:
    processing = example_payment(status=PaymentStatus.PROCESSING, version=2, attempt=1, operation_attempt=1)

    assert booked(concluded(processing, Operation.AUTHORIZE, outcome)) == {}


@pytest.mark.parametrize(
    ("outcome", "lines"),
    [
        (
            Approved(),
            {"rfnd_0example:processed": {Account.REFUND_HOLD: -1_000, Account.PROVIDER_CLEARING: 1_000}},
        ),
        (NO, {"rfnd_0example:released": {Account.REFUND_HOLD: -1_000, Account.MERCHANT_BALANCE: 1_000}}),
        (Unknown("no answer"), {}),
    ],
)
def test_what_a_refund_held_goes_to_the_customer_or_back_to_the_merchant(
    outcome: Outcome, lines: dict[str, dict[Account, int]]
) -> None:
    assert booked(concluded(REFUNDING, Operation.REFUND, outcome, REFUND)) == lines


def test_a_paid_orders_event_holds_the_order() -> None:
    paid = example_order(status=OrderStatus.PAID, payment_id="pay_1", attempts=1, version=3)

    event = order_event(paid, NOW, "00-trace")

    assert (event.type, event.object_id, event.traceparent) == (EventType.ORDER_PAID, paid.id, "00-trace")
    assert json.loads(event.body)["data"]["order"]["payment_id"] == "pay_1"

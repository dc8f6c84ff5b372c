"""What follows from each answer of a provider to each operation, and when a payment without an answer is looked at."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.claims import claimed_for
from tests.support.examples import NOW, example_payment, example_refund

from gateway_common.events.model import Event, EventType
from gateway_common.payments import model
from gateway_common.payments.model import CaptureMethod, CaptureStatus, Operation, Payment, PaymentStatus, VoidStatus
from gateway_common.refunds.model import Refund, RefundStatus
from gateway_processor.outcomes import STATUS_CHECK_SOONEST_SECONDS, Concluder, Conclusion
from gateway_processor.providers.base import Approved, Declined, Outcome, Pending, Unknown

LATER = NOW + timedelta(seconds=8)
AUTHORIZATION_TTL = timedelta(days=7)
NO = Declined("payment_declined", "The bank said no.")
PROCESSING = example_payment(status=PaymentStatus.PROCESSING, version=2, attempt=1, operation_attempt=1)
CAPTURING = example_payment(
    status=PaymentStatus.SUCCESS,
    capture_status=CaptureStatus.PENDING,
    capture_number=1,
    amount_captured_minor=50_000,
    version=4,
    attempt=2,
    operation_attempt=1,
)
REFUNDING = example_payment(
    status=PaymentStatus.SUCCESS,
    capture_status=CaptureStatus.COMPLETED,
    capture_number=1,
    amount_captured_minor=50_000,
    amount_refund_reserved_minor=1_000,
    version=6,
    attempt=3,
    operation_attempt=1,
)
VOIDING = example_payment(
    status=PaymentStatus.CANCELLED, void_status=VoidStatus.PENDING, version=4, attempt=2, operation_attempt=1
)
REFUND = example_refund(status=RefundStatus.PROCESSING, version=2)
STATES: dict[Operation, tuple[Payment, Refund | None]] = {
    Operation.AUTHORIZE: (PROCESSING, None),
    Operation.CAPTURE: (CAPTURING, None),
    Operation.VOID: (VOIDING, None),
    Operation.REFUND: (REFUNDING, REFUND),
}


def concluded(operation: Operation, outcome: Outcome, payment: Payment | None = None) -> Conclusion:
    example, refund = STATES[operation]
    return Concluder(AUTHORIZATION_TTL).conclude(
        payment or example, claimed_for(payment or example, operation, refund), outcome, LATER
    )


def types(events: tuple[Event, ...]) -> list[EventType]:
    return [event.type for event in events]


def told(event: Event, noun: str) -> dict[str, object]:
    snapshot: dict[str, object] = json.loads(event.body)["data"][noun]
    return snapshot


def test_an_approved_authorization_is_success_and_rests_until_it_expires() -> None:
    conclusion = concluded(Operation.AUTHORIZE, Approved())

    payment = conclusion.payment
    assert (payment.status, payment.capture_status, payment.captured) == (PaymentStatus.SUCCESS, None, False)
    assert (payment.version, payment.updated_at, payment.operation_attempt) == (3, LATER, 0)
    assert types(conclusion.events) == [EventType.PAYMENT_SUCCESS]
    assert conclusion.due_in_seconds == AUTHORIZATION_TTL.total_seconds()


def test_with_automatic_capture_an_approval_decides_the_capture_and_is_due_at_once() -> None:
    conclusion = concluded(Operation.AUTHORIZE, Approved(), replace(PROCESSING, capture_method=CaptureMethod.AUTOMATIC))

    payment = conclusion.payment
    assert (payment.captured, payment.capture_status) == (True, CaptureStatus.PENDING)
    assert (payment.capture_number, payment.amount_captured_minor) == (1, 50_000)
    assert types(conclusion.events) == [EventType.PAYMENT_SUCCESS], "captured is told when the provider has done it"
    assert conclusion.due_in_seconds == 0


@pytest.mark.parametrize("capture_method", list(CaptureMethod))
def test_a_declined_authorization_is_failed_for_good_with_its_reason(capture_method: CaptureMethod) -> None:
    conclusion = concluded(Operation.AUTHORIZE, NO, replace(PROCESSING, capture_method=capture_method))

    payment = conclusion.payment
    assert (payment.status, payment.captured) == (PaymentStatus.FAILED, False)
    assert (payment.error_code, payment.error_message) == (NO.code, NO.message)
    assert types(conclusion.events) == [EventType.PAYMENT_FAILED]
    assert conclusion.due_in_seconds is None


def test_an_approved_capture_is_completed() -> None:
    conclusion = concluded(Operation.CAPTURE, Approved())

    assert conclusion.payment.capture_status is CaptureStatus.COMPLETED
    assert conclusion.payment.amount_captured_minor == 50_000
    assert types(conclusion.events) == [EventType.PAYMENT_CAPTURED]
    assert conclusion.due_in_seconds is None


def test_a_capture_that_refunds_wait_for_makes_them_due() -> None:
    conclusion = concluded(Operation.CAPTURE, Approved(), replace(CAPTURING, amount_refund_reserved_minor=1_000))

    assert conclusion.payment.amount_refund_reserved_minor == 1_000
    assert conclusion.due_in_seconds == 0


def test_a_declined_capture_leaves_a_payment_that_can_be_captured_again() -> None:
    conclusion = concluded(Operation.CAPTURE, NO, replace(CAPTURING, amount_refund_reserved_minor=1_000))

    payment = conclusion.payment
    assert (payment.status, payment.captured, payment.capture_status) == (
        PaymentStatus.SUCCESS,
        False,
        CaptureStatus.FAILED,
    )
    assert (payment.amount_captured_minor, payment.amount_refund_reserved_minor) == (0, 0)
    assert payment.error_code == NO.code
    assert types(conclusion.events) == [EventType.PAYMENT_CAPTURE_FAILED]
    assert conclusion.due_in_seconds is None
    again = model.decide_capture(payment, None, LATER)
    assert again is not None
    assert model.provider_key(again, Operation.CAPTURE) != model.provider_key(CAPTURING, Operation.CAPTURE)


def test_an_approved_refund_is_processed_and_counted() -> None:
    conclusion = concluded(Operation.REFUND, Approved())

    assert conclusion.refund is not None
    assert (conclusion.refund.status, conclusion.refund.version) == (RefundStatus.PROCESSED, 3)
    payment = conclusion.payment
    assert (payment.amount_refunded_minor, payment.amount_refund_reserved_minor) == (1_000, 1_000)
    assert (types(conclusion.events), types(conclusion.refund_events)) == ([], [EventType.REFUND_PROCESSED])
    assert conclusion.due_in_seconds is None


def test_a_declined_refund_is_failed_and_gives_its_reserve_back() -> None:
    conclusion = concluded(Operation.REFUND, NO)

    assert conclusion.refund is not None
    assert (conclusion.refund.status, conclusion.refund.error_code) == (RefundStatus.FAILED, NO.code)
    payment = conclusion.payment
    assert (payment.amount_refunded_minor, payment.amount_refund_reserved_minor) == (0, 0)
    assert payment.error_code is None, "the payment itself is well"
    assert types(conclusion.refund_events) == [EventType.REFUND_FAILED]


@pytest.mark.parametrize("outcome", [Approved(), NO])
def test_the_next_refund_is_due_when_one_has_ended_either_way(outcome: Outcome) -> None:
    two_open = replace(REFUNDING, amount_refund_reserved_minor=3_000)

    assert concluded(Operation.REFUND, outcome, two_open).due_in_seconds == 0


def test_a_refund_outcome_without_a_refund_is_a_bug_that_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="none is open"):
        Concluder(AUTHORIZATION_TTL).conclude(REFUNDING, claimed_for(REFUNDING, Operation.REFUND), Approved(), LATER)


@pytest.mark.parametrize("operation", list(STATES))
@pytest.mark.parametrize("outcome", [Approved(), NO])
def test_an_event_tells_of_its_object_as_it_is_after_the_change(operation: Operation, outcome: Outcome) -> None:
    conclusion = concluded(operation, outcome)

    for event in conclusion.events:
        assert told(event, "payment")["version"] == conclusion.payment.version
        assert told(event, "payment")["status"] == conclusion.payment.status
    for event in conclusion.refund_events:
        assert conclusion.refund is not None
        assert told(event, "refund")["status"] == conclusion.refund.status
    # Giving an authorization back is told when it is decided, not when the provider has done it; only its refusal is.
    is_told = (operation, outcome) != (Operation.VOID, Approved())
    assert len(conclusion.events) + len(conclusion.refund_events) == is_told
    assert conclusion.payment.version == STATES[operation][0].version + 1
    assert conclusion.payment.operation_attempt == 0, "the next operation begins with its first try"


@pytest.mark.parametrize("operation", list(STATES))
@pytest.mark.parametrize(
    "outcome", [Unknown("no answer"), Pending(), Pending(check_in_seconds=7.5), Pending(check_in_seconds=0.0)]
)
def test_without_evidence_nothing_moves(operation: Operation, outcome: Outcome) -> None:
    payment, _ = STATES[operation]

    conclusion = concluded(operation, outcome)

    assert (conclusion.payment, conclusion.refund) == (payment, None)
    assert (conclusion.events, conclusion.refund_events) == ((), ())
    assert conclusion.due_in_seconds is not None


@pytest.mark.parametrize("seconds", [0.2, 7.5, 86_400.0])
def test_a_provider_that_knows_when_it_will_know_is_asked_then(seconds: float) -> None:
    assert concluded(Operation.AUTHORIZE, Pending(check_in_seconds=seconds)).due_in_seconds == seconds


def test_a_provider_that_always_says_now_is_not_asked_without_a_pause() -> None:
    assert concluded(Operation.AUTHORIZE, Pending(check_in_seconds=0.0)).due_in_seconds == STATUS_CHECK_SOONEST_SECONDS


@pytest.mark.parametrize("outcome", [Unknown("no answer"), Pending()])
def test_others_are_asked_after_5_seconds_then_later_and_later_up_to_an_hour(outcome: Outcome) -> None:
    pauses = [
        concluded(Operation.AUTHORIZE, outcome, replace(PROCESSING, operation_attempt=tries)).due_in_seconds
        for tries in range(1, 13)
    ]

    assert pauses == [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600]


def test_a_payment_that_was_asked_after_for_years_is_still_asked_after_hourly() -> None:
    old = replace(PROCESSING, operation_attempt=100_000)

    assert concluded(Operation.AUTHORIZE, Unknown("no answer"), old).due_in_seconds == 3_600

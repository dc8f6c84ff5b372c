"""What becomes of payments that wait for a customer, for a provider that is away, or whose answer never comes."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.claims import claimed_for
from tests.support.examples import NOW, example_payment

from gateway_common.events.model import EventType
from gateway_common.payments.model import CaptureMethod, CaptureStatus, Operation, Payment, PaymentStatus, VoidStatus
from gateway_processor.outcomes import (
    STATUS_CHECK_LONGEST_SECONDS,
    STATUS_CHECK_SOONEST_SECONDS,
    UNREACHABLE_LONGEST_SECONDS,
    Concluder,
    Conclusion,
    LateTerms,
)
from gateway_processor.providers.base import Approved, Declined, Expired, Outcome, Pending, Unknown, Unreachable

CONCLUDER = Concluder(timedelta(days=7))
ENDS = NOW + timedelta(minutes=5)
ASKED = example_payment(status=PaymentStatus.PROCESSING, provider="first", version=2, attempt=1, operation_attempt=1)
WAITING = replace(ASKED, next_action={"type": "upi_qr"}, request_expires_at=ENDS, version=3)
FAILED = example_payment(
    status=PaymentStatus.FAILED,
    provider="first",
    error_code="payment_declined",
    error_message="The bank said no.",
    has_news=True,
    version=3,
    attempt=2,
    operation_attempt=1,
)
KEEP, GIVE_BACK = LateTerms(keep=True), LateTerms(keep=False)


def authorized(
    payment: Payment, outcome: Outcome, *, fallback: str | None = None, after_seconds: int = 8
) -> Conclusion:
    now = NOW + timedelta(seconds=after_seconds)
    return CONCLUDER.conclude(payment, claimed_for(payment, Operation.AUTHORIZE), outcome, now, fallback=fallback)


def inquired(payment: Payment, outcome: Outcome, late: LateTerms) -> Conclusion:
    return CONCLUDER.conclude(payment, claimed_for(payment, Operation.INQUIRE), outcome, NOW, late=late)


def types(conclusion: Conclusion) -> list[EventType]:
    return [event.type for event in conclusion.events]


def test_what_the_customer_is_to_do_is_shown_until_they_have_done_it() -> None:
    asked = authorized(ASKED, Pending(check_in_seconds=7.0, next_action={"type": "upi_qr"}, expires_at=ENDS))

    assert asked.payment == replace(WAITING, updated_at=NOW + timedelta(seconds=8))
    assert (types(asked), asked.due_in_seconds) == ([], 7.0)
    done = authorized(asked.payment, Approved())
    assert (done.payment.next_action, done.payment.request_expires_at) == (None, None)


def test_who_still_waits_changes_nothing_and_is_asked_again_when_the_time_is_up_at_the_latest() -> None:
    same = authorized(WAITING, Pending(), after_seconds=290)

    assert same.payment == WAITING
    assert same.due_in_seconds == 5
    assert authorized(WAITING, Pending(check_in_seconds=60.0), after_seconds=290).due_in_seconds == 10
    nearly = authorized(WAITING, Pending(), after_seconds=300 - 1)
    assert STATUS_CHECK_SOONEST_SECONDS <= (nearly.due_in_seconds or 0) <= 1


def test_a_request_without_an_answer_in_time_expires_and_is_taken_back() -> None:
    over = authorized(WAITING, Pending(), after_seconds=300)

    assert (over.payment.status, over.payment.void_status) == (PaymentStatus.EXPIRED, VoidStatus.PENDING)
    assert over.payment.error_code == "request_expired"
    assert (over.payment.next_action, over.payment.request_expires_at) == (None, None)
    assert (types(over), over.due_in_seconds) == ([EventType.PAYMENT_EXPIRED], 0)


@pytest.mark.parametrize("outcome", [Unknown("no answer"), Unreachable("refused")])
def test_silence_is_no_evidence_that_the_customer_did_not_pay(outcome: Outcome) -> None:
    late = authorized(replace(WAITING, operation_attempt=4), outcome, after_seconds=900)

    assert late.payment.status is PaymentStatus.PROCESSING


def test_a_request_that_expired_at_the_provider_needs_no_taking_back() -> None:
    over = authorized(ASKED, Expired("upi_1"))

    assert (over.payment.status, over.payment.void_status) == (PaymentStatus.EXPIRED, None)
    assert (over.payment.provider_reference, over.due_in_seconds) == ("upi_1", None)
    assert types(over) == [EventType.PAYMENT_EXPIRED]


def test_who_could_not_be_reached_at_first_is_replaced_at_once_by_who_can() -> None:
    moved = authorized(ASKED, Unreachable("refused"), fallback="second")

    assert (moved.payment.provider, moved.payment.operation_attempt) == ("second", 0)
    assert moved.payment.version == ASKED.version + 1, "a claim decided on the old row must not win"
    assert (types(moved), moved.due_in_seconds) == ([], 0)


def test_if_nobody_can_be_reached_whoever_can_is_asked_later_a_minute_apart_at_most() -> None:
    pauses = []
    for attempt in range(1, 8):
        waiting = authorized(replace(ASKED, attempt=attempt), Unreachable("refused"))
        assert (waiting.payment.provider, waiting.payment.status) == (None, PaymentStatus.PROCESSING)
        assert not waiting.payment.needs_attention
        pauses.append(waiting.due_in_seconds)

    assert pauses == [5, 10, 20, 40, 60, 60, 60]
    assert pauses[-1] == UNREACHABLE_LONGEST_SECONDS


def test_who_may_have_been_asked_before_is_never_replaced() -> None:
    again = authorized(replace(ASKED, operation_attempt=2), Unreachable("refused"), fallback="second")

    assert again.payment == replace(ASKED, operation_attempt=2)
    assert again.due_in_seconds == 10


@pytest.mark.parametrize("outcome", [Unknown("no answer"), Unreachable("refused")])
def test_a_person_is_asked_when_checks_have_become_an_hour_apart(outcome: Outcome) -> None:
    patient, weary = (authorized(replace(ASKED, operation_attempt=tries), outcome) for tries in (10, 11))

    assert (patient.payment.needs_attention, weary.payment.needs_attention) == (False, True)
    assert (weary.payment.status, weary.due_in_seconds) == (PaymentStatus.PROCESSING, STATUS_CHECK_LONGEST_SECONDS)
    assert weary.payment.version == ASKED.version + 1
    assert authorized(replace(weary.payment, operation_attempt=12), outcome).payment.version == weary.payment.version
    assert not authorized(weary.payment, Approved()).payment.needs_attention, "the provider has said it"


def test_a_provider_that_says_it_is_still_at_it_needs_no_person() -> None:
    assert not authorized(replace(ASKED, operation_attempt=40), Pending()).payment.needs_attention


def test_the_providers_name_for_the_payment_is_kept_whatever_else_it_says() -> None:
    for outcome in (Approved("pi_1"), Declined("x", "No.", "pi_1"), Pending(reference="pi_1"), Unknown("?", "pi_1")):
        assert authorized(ASKED, outcome).payment.provider_reference == "pi_1"
    known = replace(ASKED, provider_reference="pi_1")
    assert authorized(known, Unknown("no answer")).payment.provider_reference == "pi_1"


def test_a_late_success_that_is_wanted_is_a_success_with_its_own_event() -> None:
    late = inquired(FAILED, Approved(), KEEP)

    assert (late.payment.status, late.payment.error_code) == (PaymentStatus.SUCCESS, None)
    assert late.payment.authorization_expires_at == NOW + timedelta(days=7)
    assert not late.payment.has_news
    assert types(late) == [EventType.PAYMENT_LATE_SUCCESS]
    automatic = inquired(replace(FAILED, capture_method=CaptureMethod.AUTOMATIC), Approved(), KEEP)
    assert (automatic.payment.capture_status, automatic.due_in_seconds) == (CaptureStatus.PENDING, 0)


@pytest.mark.parametrize("capture_method", CaptureMethod)
def test_a_late_success_that_nobody_wants_is_given_back_at_once(capture_method: CaptureMethod) -> None:
    late = inquired(replace(FAILED, capture_method=capture_method), Approved(), GIVE_BACK)

    assert (late.payment.status, late.payment.void_status) == (PaymentStatus.CANCELLED, VoidStatus.PENDING)
    assert (late.payment.captured, late.payment.amount_captured_minor) == (False, 0)
    assert types(late) == [EventType.PAYMENT_LATE_SUCCESS, EventType.PAYMENT_CANCELLED]
    assert late.due_in_seconds == 0


@pytest.mark.parametrize("outcome", [Declined("payment_declined", "No."), Expired()])
def test_a_call_without_news_changes_nothing_that_is_told(outcome: Outcome) -> None:
    same = inquired(FAILED, outcome, KEEP)

    assert (same.payment.status, same.payment.has_news) == (PaymentStatus.FAILED, False)
    assert (types(same), same.due_in_seconds) == ([], None)

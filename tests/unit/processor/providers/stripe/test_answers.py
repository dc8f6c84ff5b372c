"""What each of Stripe's answers means, in the shapes that its documentation shows."""

from typing import Any

import pytest

from gateway_processor.providers.base import Approved, Declined, Missing, Pending, Unknown, Unreachable
from gateway_processor.providers.stripe.answers import (
    authorization_of,
    capture_of,
    failure_of,
    is_key_reused,
    is_refused,
    refund_of,
    void_of,
)
from gateway_processor.providers.stripe.messages import Answer

CARD_ERROR = {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}
STATUSES = [
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "succeeded",
    "canceled",
    "a_new_one",
]


def code_of(outcome: object) -> str:
    return outcome.code if isinstance(outcome, Declined) else type(outcome).__name__


def error(status: int, **error: Any) -> Answer:
    return Answer(status, {"error": error})


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (
            authorization_of,
            "Missing Missing authentication_required Pending Approved Approved cancelled_at_provider Unknown",
        ),
        (
            lambda intent, reference: capture_of(intent, reference, 500),
            "Unknown Unknown Unknown Pending Missing Approved authorization_expired Unknown",
        ),
        (void_of, "Missing Missing Missing Pending Missing already_captured Approved Unknown"),
    ],
)
def test_the_status_of_an_intent_says_what_became_of_each_operation(operation: Any, expected: str) -> None:
    outcomes = [operation({"status": status}, "pi_1") for status in STATUSES]

    assert " ".join(code_of(outcome) for outcome in outcomes) == expected
    assert {outcome.reference for outcome in outcomes if not isinstance(outcome, Missing)} == {"pi_1"}


def test_an_intent_whose_last_card_was_declined_is_declined() -> None:
    intent = {"status": "requires_payment_method", "last_payment_error": CARD_ERROR | {"decline_code": "do_not_honor"}}

    assert code_of(authorization_of(intent, "pi_1")) == "payment_declined"


def test_a_capture_of_another_amount_than_ours_is_for_a_person_to_look_at() -> None:
    intent = {"status": "succeeded", "amount_received": 499}

    assert isinstance(capture_of(intent, "pi_1", 500), Unknown)
    assert capture_of(intent, "pi_1", 499) == Approved("pi_1")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("succeeded", "Approved"),
        ("pending", "Pending"),
        ("requires_action", "Pending"),
        ("failed", "refund_failed"),
        ("canceled", "refund_failed"),
        (None, "Unknown"),
    ],
)
def test_the_status_of_a_refund_says_what_became_of_it(status: str | None, expected: str) -> None:
    assert code_of(refund_of({"status": status}, "pi_1")) == expected


@pytest.mark.parametrize(
    ("code", "decline_code", "expected"),
    [
        ("card_declined", "generic_decline", "payment_declined"),
        ("card_declined", "insufficient_funds", "insufficient_funds"),
        ("card_declined", "stolen_card", "payment_declined"),
        ("card_declined", "fraudulent", "payment_declined"),
        ("card_declined", None, "payment_declined"),
        ("expired_card", None, "expired_card"),
        ("incorrect_cvc", None, "incorrect_cvc"),
        ("incorrect_number", None, "incorrect_number"),
        ("processing_error", None, "processing_error"),
        ("authentication_required", None, "authentication_required"),
        ("card_declined", "authentication_required", "authentication_required"),
        ("a_new_code", "a_new_one", "payment_declined"),
        (None, None, "payment_declined"),
    ],
)
def test_a_declined_card_is_declined_by_one_of_our_codes_and_sentences(
    code: str | None, decline_code: str | None, expected: str
) -> None:
    answer = error(402, type="card_error", code=code, decline_code=decline_code, message="Stripe's own words.")

    outcome = failure_of(answer, "pi_1")

    assert isinstance(outcome, Declined)
    assert (outcome.code, outcome.reference) == (expected, "pi_1")
    assert "Stripe" not in outcome.message


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (error(401, type="invalid_request_error", message="Invalid API Key provided"), Unreachable),
        (error(403, type="invalid_request_error", code="account_invalid"), Unreachable),
        (error(429, type="invalid_request_error", code="rate_limit"), Unreachable),
        (Answer(429, {}), Unreachable),
        (error(429, type="invalid_request_error", code="lock_timeout"), Unknown),
        (error(409, type="idempotency_error", code="idempotency_key_in_use"), Unknown),
        (error(500, type="api_error"), Unknown),
        (Answer(503, {}), Unknown),
        (Answer(302, {}), Unknown),
    ],
)
def test_only_what_was_surely_not_done_counts_as_not_reached(answer: Answer, expected: type) -> None:
    outcome = failure_of(answer, "pi_1")

    assert isinstance(outcome, expected)
    assert isinstance(outcome, Unreachable) or outcome.reference == "pi_1"


def test_a_refusal_that_the_state_explains_is_told_from_a_key_that_came_with_another_request() -> None:
    unexpected_state = error(400, type="invalid_request_error", code="payment_intent_unexpected_state")
    reused = error(400, type="idempotency_error")

    assert is_refused(unexpected_state)
    assert not is_key_reused(unexpected_state)
    assert is_key_reused(reused)
    assert not is_refused(error(402, **CARD_ERROR))


@pytest.mark.parametrize("body", [{}, {"error": "no object"}, {"error": None}])
def test_an_answer_without_an_error_in_it_is_read_by_its_status(body: dict[str, Any]) -> None:
    assert code_of(failure_of(Answer(402, body), "pi_1")) == "payment_declined"
    assert isinstance(failure_of(Answer(500, body), None), Unknown)


def test_a_payment_that_is_at_work_is_pending() -> None:
    assert authorization_of({"status": "processing"}, "pi_1") == Pending(reference="pi_1")

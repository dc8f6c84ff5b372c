"""What a provider is told of a payment."""

from dataclasses import replace
from datetime import timedelta

from tests.support.claims import claimed_for
from tests.support.examples import NOW, example_payment, example_refund

from gateway_common.payments.model import Operation, PaymentStatus
from gateway_processor.calls import request_of

ASKED = example_payment(
    status=PaymentStatus.PROCESSING, provider="stripe", created_at=NOW - timedelta(days=2), updated_at=NOW
)


def test_a_key_is_as_old_as_the_first_claim_however_long_the_payment_had_waited_for_one() -> None:
    request = request_of(claimed_for(ASKED, Operation.AUTHORIZE), timeout_seconds=15)

    assert request.decided_at == NOW


def test_a_key_is_never_taken_for_younger_than_it_is() -> None:
    weary = replace(ASKED, needs_attention=True, updated_at=NOW + timedelta(hours=2))

    assert request_of(claimed_for(weary, Operation.AUTHORIZE), timeout_seconds=15).decided_at == ASKED.created_at


def test_a_refund_has_its_own_key_amount_and_age() -> None:
    refund = example_refund(amount_minor=700, created_at=NOW + timedelta(hours=1))

    request = request_of(claimed_for(ASKED, Operation.REFUND, refund), timeout_seconds=15)

    assert (request.key, request.amount_minor, request.decided_at) == (refund.id, 700, refund.created_at)


def test_an_inquiry_asks_about_the_authorization() -> None:
    request = request_of(claimed_for(ASKED, Operation.INQUIRE), timeout_seconds=15)

    assert (request.operation, request.key) == (Operation.AUTHORIZE, f"{ASKED.id}:authorize")

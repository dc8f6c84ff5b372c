"""How a payment ends without its money being taken, and what if the provider says yes after all. Without I/O."""

from dataclasses import replace
from datetime import datetime, timedelta

from gateway_common.errors import PaymentStateError
from gateway_common.payments.model import (
    TRANSITIONS,
    Operation,
    Payment,
    PaymentStatus,
    VoidStatus,
    authorize,
    change,
    may_succeed_late,
    move,
    next_operation,
)


def decide_cancel(payment: Payment, now: datetime) -> Payment | None:
    """The payment cancelled, or None if it was before. PaymentStateError if it is too late, or too early to know.

    One that no processor has taken needs no provider; an authorization is given back by the processor.
    """
    if payment.status is PaymentStatus.CANCELLED:
        return None
    if payment.captured:
        raise PaymentStateError(f"The payment is {payment.status} and captured: refund it instead.")
    if payment.status is PaymentStatus.PROCESSING:
        raise PaymentStateError("The payment is processing: whether it can be cancelled is known when that has ended.")
    if PaymentStatus.CANCELLED not in TRANSITIONS[payment.status]:
        raise PaymentStateError(f"A payment that is {payment.status} can't be cancelled.")
    return _end_uncaptured(payment, PaymentStatus.CANCELLED, now)


def expire(payment: Payment, now: datetime) -> Payment:
    """The authorization ran out uncaptured."""
    if payment.captured:
        raise PaymentStateError("A captured payment does not expire.")
    return _end_uncaptured(payment, PaymentStatus.EXPIRED, now)


def expire_request(payment: Payment, now: datetime, *, withdraw: bool) -> Payment:
    """The customer did not answer in time. With `withdraw` the provider is told to ask no longer."""
    return move(
        payment,
        PaymentStatus.EXPIRED,
        now,
        error_code="request_expired",
        error_message="The customer did not approve the payment in time.",
        void_status=VoidStatus.PENDING if withdraw else None,
        operation_attempt=0,
        needs_attention=False,
        next_action=None,
        request_expires_at=None,
    )


def succeed_late(payment: Payment, now: datetime, *, authorization_ttl: timedelta) -> Payment:
    """The provider said yes after the payment had ended."""
    if not may_succeed_late(payment):
        raise PaymentStateError(f"A payment that is {payment.status} can't succeed late.")
    return authorize(payment, now, authorization_ttl=authorization_ttl)


def hear_news(payment: Payment, now: datetime) -> Payment | None:
    """The payment after its provider called, due for a question; None if there is nothing to ask.

    What the provider said of it does not matter: only its answer to our question moves the payment.
    """
    if may_succeed_late(payment) and not payment.has_news:
        return change(payment, now, has_news=True, operation_attempt=0)
    return None if next_operation(payment) in {None, Operation.EXPIRE} else payment


def hear_no_news(payment: Payment, now: datetime) -> Payment:
    """The provider called, was asked, and says what it said before: it holds no money, so nobody has to look."""
    return change(payment, now, has_news=False, needs_attention=False, operation_attempt=0)


def give_back(payment: Payment, now: datetime) -> Payment:
    """A late authorization that nobody wants is voided at once, also if its capture was decided with it."""
    return _end_uncaptured(
        replace(payment, capture_status=None, capture_number=0, amount_captured_minor=0), PaymentStatus.CANCELLED, now
    )


def _end_uncaptured(payment: Payment, status: PaymentStatus, now: datetime) -> Payment:
    void_status = VoidStatus.PENDING if payment.status is PaymentStatus.SUCCESS else None
    return move(payment, status, now, void_status=void_status, operation_attempt=0)


def complete_void(payment: Payment, now: datetime) -> Payment:
    return change(payment, now, void_status=VoidStatus.COMPLETED, needs_attention=False, operation_attempt=0)


def fail_void(payment: Payment, now: datetime) -> Payment:
    """The provider kept the authorization. It lapses by itself, but a person should know.

    Of a request that the customer never answered it means that they did: the provider is asked.
    """
    return change(
        payment,
        now,
        void_status=VoidStatus.FAILED,
        needs_attention=True,
        has_news=payment.authorization_expires_at is None,
        operation_attempt=0,
    )

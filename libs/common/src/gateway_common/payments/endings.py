"""How a payment ends without its money being taken: cancelled or expired, and its authorization given back. Pure."""

from datetime import datetime

from gateway_common.errors import PaymentStateError
from gateway_common.payments.model import TRANSITIONS, Payment, PaymentStatus, VoidStatus, change, move


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


def _end_uncaptured(payment: Payment, status: PaymentStatus, now: datetime) -> Payment:
    void_status = VoidStatus.PENDING if payment.status is PaymentStatus.SUCCESS else None
    return move(payment, status, now, void_status=void_status, operation_attempt=0)


def complete_void(payment: Payment, now: datetime) -> Payment:
    return change(payment, now, void_status=VoidStatus.COMPLETED, operation_attempt=0)


def fail_void(payment: Payment, now: datetime) -> Payment:
    """The provider kept the authorization. It lapses by itself, but a person should know."""
    return change(payment, now, void_status=VoidStatus.FAILED, needs_attention=True, operation_attempt=0)

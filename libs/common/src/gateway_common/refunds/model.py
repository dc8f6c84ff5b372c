"""A refund's states and rules, without I/O. The payment's reserve keeps their sum within what was captured."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from gateway_common.clock import format_time
from gateway_common.errors import PaymentStateError, UnprocessableError
from gateway_common.events.model import Event, EventType, new_event
from gateway_common.ledger.model import Account, Posting, PostingKind, hold_lines, refund_lines, release_lines
from gateway_common.money import format_amount
from gateway_common.payments import model as payments
from gateway_common.payments.model import Payment


class RefundStatus(StrEnum):
    PENDING = "pending"
    """Decided; waits for the payment's capture or for an earlier refund."""
    PROCESSING = "processing"
    """With the provider, or the provider's answer is unknown."""
    PROCESSED = "processed"
    FAILED = "failed"


TRANSITIONS: Final[dict[RefundStatus, frozenset[RefundStatus]]] = {
    # A waiting refund fails without the provider when the capture it waits for fails.
    RefundStatus.PENDING: frozenset({RefundStatus.PROCESSING, RefundStatus.FAILED}),
    RefundStatus.PROCESSING: frozenset({RefundStatus.PROCESSED, RefundStatus.FAILED}),
    RefundStatus.PROCESSED: frozenset(),
    RefundStatus.FAILED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    id: str
    payment_id: str
    merchant_id: str
    livemode: bool
    amount_minor: int
    currency: str
    reason: str | None
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    status: RefundStatus = RefundStatus.PENDING
    error_code: str | None = None
    error_message: str | None = None
    version: int = 1


def decide_refund(payment: Payment, amount_minor: int | None, now: datetime) -> tuple[Payment, int]:
    """The payment with the refund reserved, and the amount; without an amount, all that is left.

    PaymentStateError if nothing was captured or nothing is left, UnprocessableError if the amount is more than is left.
    """
    if not payment.captured:
        raise PaymentStateError(
            f"Only a captured payment can be refunded; this one is {payment.status} and not captured."
        )
    left = payment.amount_captured_minor - payment.amount_refund_reserved_minor
    if left == 0:
        raise PaymentStateError("Nothing is left to refund: all that was captured is refunded or on its way.")
    amount = left if amount_minor is None else amount_minor
    if amount > left:
        raise UnprocessableError(
            f"The amount is more than is left to refund ({format_amount(left, payment.currency)}).",
            param="amount",
        )
    reserved = payment.amount_refund_reserved_minor + amount
    return payments.change(payment, now, amount_refund_reserved_minor=reserved), amount


def move(refund: Refund, status: RefundStatus, now: datetime, **changes: Any) -> Refund:
    """The refund after a legal change of status; PaymentStateError for any other."""
    if status not in TRANSITIONS[refund.status]:
        raise PaymentStateError(f"A refund that is {refund.status} can't become {status}.")
    return replace(refund, status=status, version=refund.version + 1, updated_at=now, **changes)


def settle_refund(payment: Payment, refund: Refund, now: datetime) -> Payment:
    """The payment after its refund ended: the amount is refunded, or the reserve is given back."""
    if refund.status is RefundStatus.PROCESSED:
        refunded = payment.amount_refunded_minor + refund.amount_minor
        return payments.change(payment, now, amount_refunded_minor=refunded, operation_attempt=0)
    reserved = payment.amount_refund_reserved_minor - refund.amount_minor
    return payments.change(payment, now, amount_refund_reserved_minor=reserved, operation_attempt=0)


def post_hold(refund: Refund, now: datetime) -> Posting:
    """What the ledger says of a refund that was decided."""
    return _posting(refund, PostingKind.REFUND_HOLD, "hold", hold_lines(refund.amount_minor), now)


def post_settled(refund: Refund, now: datetime) -> Posting:
    """What the ledger says of a refund that ended: the money went back, or it is the merchant's again."""
    if refund.status is RefundStatus.PROCESSED:
        return _posting(refund, PostingKind.REFUND, "processed", refund_lines(refund.amount_minor), now)
    return _posting(refund, PostingKind.REFUND_RELEASE, "released", release_lines(refund.amount_minor), now)


def _posting(
    refund: Refund, kind: PostingKind, step: str, lines: tuple[tuple[Account, int], ...], now: datetime
) -> Posting:
    return Posting(
        transaction_id=f"{refund.id}:{step}",
        kind=kind,
        merchant_id=refund.merchant_id,
        livemode=refund.livemode,
        currency=refund.currency,
        payment_id=refund.payment_id,
        refund_id=refund.id,
        lines=lines,
        created_at=now,
    )


def refund_snapshot(refund: Refund) -> dict[str, Any]:
    """The refund as the API and the webhooks show it."""
    error = None
    if refund.error_code is not None:
        error = {"code": refund.error_code, "message": refund.error_message}
    return {
        "id": refund.id,
        "object": "refund",
        "payment_id": refund.payment_id,
        "amount": refund.amount_minor,
        "currency": refund.currency,
        "reason": refund.reason,
        "status": refund.status,
        "error": error,
        "metadata": refund.metadata,
        "livemode": refund.livemode,
        "version": refund.version,
        "created_at": format_time(refund.created_at),
        "updated_at": format_time(refund.updated_at),
    }


def refund_event(event_type: EventType, refund: Refund, now: datetime, traceparent: str | None) -> Event:
    """The event that tells of the refund as it is now, in the trace of its payment."""
    return new_event(
        event_type, refund_snapshot(refund), merchant_id=refund.merchant_id, now=now, traceparent=traceparent
    )

"""A payment's states and rules, without I/O. What the provider and the merchant may do to it is decided here."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from gateway_common.clock import format_time
from gateway_common.errors import PaymentStateError, UnprocessableError
from gateway_common.events.model import Event, EventType, new_event
from gateway_common.ledger.model import Posting, PostingKind, capture_lines, fee_of
from gateway_common.money import format_amount


class PaymentStatus(StrEnum):
    PENDING = "pending"
    """Stored, not yet taken by a processor."""
    PROCESSING = "processing"
    """With the provider, or the provider's answer is unknown."""
    SUCCESS = "success"
    """Authorized; `captured` says whether the money was taken."""
    FAILED = "failed"
    """The provider said no."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"


TRANSITIONS: Final[dict[PaymentStatus, frozenset[PaymentStatus]]] = {
    PaymentStatus.PENDING: frozenset({PaymentStatus.PROCESSING, PaymentStatus.CANCELLED}),
    PaymentStatus.PROCESSING: frozenset({PaymentStatus.SUCCESS, PaymentStatus.FAILED, PaymentStatus.EXPIRED}),
    PaymentStatus.SUCCESS: frozenset({PaymentStatus.CANCELLED, PaymentStatus.EXPIRED}),
    # Final, but for the provider's own later evidence (`payment.late_success`).
    PaymentStatus.FAILED: frozenset({PaymentStatus.SUCCESS}),
    PaymentStatus.CANCELLED: frozenset({PaymentStatus.SUCCESS}),
    PaymentStatus.EXPIRED: frozenset({PaymentStatus.SUCCESS}),
}


UNDER_WAY: Final = frozenset({PaymentStatus.PENDING, PaymentStatus.PROCESSING})
"""A card's number is kept, and an order takes no other payment, while its payment is one of these."""


class CaptureMethod(StrEnum):
    MANUAL = "manual"
    AUTOMATIC = "automatic"


class CaptureStatus(StrEnum):
    PENDING = "pending"
    """Decided by us and promised to the merchant; the provider has not answered yet."""
    COMPLETED = "completed"
    FAILED = "failed"


class VoidStatus(StrEnum):
    """How far giving an authorization back has come."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    """The provider did not void it. It lapses by itself; a person should look."""


class PaymentMethod(StrEnum):
    UPI = "upi"
    CARD = "card"
    NETBANKING = "netbanking"
    WALLET = "wallet"


class Operation(StrEnum):
    """What is to be done for a payment. All but `expire` are asked of the provider."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    INQUIRE = "inquire"
    """The provider called about a payment that has ended: ask what it says of the authorization now."""
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One payment. `version` counts its changes; `attempt` counts leases and callbacks, and fences off old holders."""

    id: str
    merchant_id: str
    livemode: bool
    order_id: str | None
    amount_minor: int
    currency: str
    method: str
    vpa: str | None
    description: str | None
    metadata: dict[str, str]
    capture_method: CaptureMethod
    created_at: datetime
    updated_at: datetime
    status: PaymentStatus = PaymentStatus.PENDING
    error_code: str | None = None
    error_message: str | None = None
    capture_status: CaptureStatus | None = None
    capture_number: int = 0
    amount_captured_minor: int = 0
    amount_refunded_minor: int = 0
    amount_refund_reserved_minor: int = 0
    needs_attention: bool = False
    version: int = 1
    traceparent: str | None = None
    attempt: int = 0
    operation_attempt: int = 0
    method_details: dict[str, Any] = field(default_factory=dict)
    """What else the method says: a UPI flow, a bank, a wallet, the part of a card that may be shown."""
    bound_order_id: str | None = None
    """The order of ours that `order_id` names, if it names one."""
    fee_basis_points: int = 0
    void_status: VoidStatus | None = None
    authorization_expires_at: datetime | None = None
    provider: str | None = None
    """Who was asked to authorize it, and does all that follows. None: nobody yet, or nobody who could be reached."""
    provider_reference: str | None = None
    """What the provider calls it."""
    next_action: dict[str, Any] | None = None
    """What the customer is to do while it is processing."""
    request_expires_at: datetime | None = None
    """When the customer has not answered for too long."""
    has_news: bool = False
    """The provider called about it after it had ended."""

    @property
    def captured(self) -> bool:
        return self.capture_status in {CaptureStatus.PENDING, CaptureStatus.COMPLETED}

    @property
    def has_open_refund(self) -> bool:
        """Whether a refund waits or runs: the reserve holds what was refunded and what is under way."""
        return self.amount_refund_reserved_minor > self.amount_refunded_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAnswer:
    """What a provider said under one lease: an answer, or that there was none."""

    payment_id: str
    attempt: int
    refund_id: str | None
    provider: str
    operation: Operation
    outcome: str
    code: str | None
    message: str | None
    reference: str | None
    asked_at: datetime
    answered_at: datetime


def next_operation(payment: Payment) -> Operation | None:
    """What the provider is to be asked next, or None when the payment rests. One at a time, in this order."""
    if payment.status in UNDER_WAY:
        return Operation.AUTHORIZE
    if payment.status is not PaymentStatus.SUCCESS:
        return _next_of_ended(payment)
    if payment.capture_status is CaptureStatus.PENDING:
        return Operation.CAPTURE
    if payment.has_open_refund:
        return Operation.REFUND
    return None if payment.captured or payment.authorization_expires_at is None else Operation.EXPIRE


def _next_of_ended(payment: Payment) -> Operation | None:
    if payment.void_status is VoidStatus.PENDING:
        return Operation.VOID
    return Operation.INQUIRE if payment.has_news and may_succeed_late(payment) else None


def next_due_seconds(payment: Payment, now: datetime) -> float | None:
    """In how many seconds the payment needs a worker: 0 is now, None is not before somebody wants something of it."""
    match next_operation(payment):
        case None:
            return None
        case Operation.EXPIRE if payment.authorization_expires_at is not None:
            return max(0.0, (payment.authorization_expires_at - now).total_seconds())
        case _:
            return 0.0


def move(payment: Payment, status: PaymentStatus, now: datetime, **changes: Any) -> Payment:
    """The payment after a legal change of status; PaymentStateError for any other."""
    if status not in TRANSITIONS[payment.status]:
        raise PaymentStateError(f"A payment that is {payment.status} can't become {status}.")
    return change(payment, now, status=status, **changes)


def change(payment: Payment, now: datetime, **changes: Any) -> Payment:
    """The payment with other values and the next version."""
    return replace(payment, version=payment.version + 1, updated_at=now, **changes)


_SETTLED: Final[dict[str, Any]] = {
    "operation_attempt": 0,
    "needs_attention": False,
    "next_action": None,
    "request_expires_at": None,
    "has_news": False,
}
"""What no longer holds of a payment once the provider's answer is known."""


def may_succeed_late(payment: Payment) -> bool:
    """Whether the provider may still say yes to an ended payment: it was asked, and did not take it back for us."""
    return (
        payment.status in {PaymentStatus.FAILED, PaymentStatus.CANCELLED, PaymentStatus.EXPIRED}
        and payment.provider is not None
        and payment.authorization_expires_at is None
        and payment.void_status in {None, VoidStatus.FAILED}
    )


def authorize(payment: Payment, now: datetime, *, authorization_ttl: timedelta) -> Payment:
    """The provider said yes. With automatic capture the capture is decided in the same breath."""
    authorized = move(
        payment,
        PaymentStatus.SUCCESS,
        now,
        **_SETTLED,
        error_code=None,
        error_message=None,
        void_status=None,
        authorization_expires_at=now + authorization_ttl,
    )
    if payment.capture_method is CaptureMethod.AUTOMATIC:
        return _captured(authorized, payment.amount_minor)
    return authorized


def decline(payment: Payment, now: datetime, *, code: str, message: str) -> Payment:
    """The provider said no, and why."""
    return move(payment, PaymentStatus.FAILED, now, **_SETTLED, error_code=code, error_message=message)


def decide_capture(payment: Payment, amount_minor: int | None, now: datetime) -> Payment | None:
    """The payment with its capture decided, or None if this very capture was decided before. No amount means all.

    PaymentStateError if it can't be captured now, UnprocessableError if the amount is more than was authorized.
    """
    wanted = payment.amount_minor if amount_minor is None else amount_minor
    if payment.captured:
        if wanted == payment.amount_captured_minor:
            return None
        taken = format_amount(payment.amount_captured_minor, payment.currency)
        raise PaymentStateError(f"The payment was captured before, with another amount ({taken}).")
    if payment.status is not PaymentStatus.SUCCESS:
        raise PaymentStateError(f"Only a payment that is success can be captured; this one is {payment.status}.")
    if is_authorization_expired(payment, now):
        raise PaymentStateError("The payment is success, but its authorization has expired: it can't be captured.")
    if wanted > payment.amount_minor:
        limit = format_amount(payment.amount_minor, payment.currency)
        raise UnprocessableError(f"The amount is more than was authorized ({limit}).", param="amount")
    return change(_captured(payment, wanted), now)


def _captured(payment: Payment, amount_minor: int) -> Payment:
    return replace(
        payment,
        capture_status=CaptureStatus.PENDING,
        capture_number=payment.capture_number + 1,
        amount_captured_minor=amount_minor,
        error_code=None,
        error_message=None,
        operation_attempt=0,
    )


def complete_capture(payment: Payment, now: datetime) -> Payment:
    return change(payment, now, **_SETTLED, capture_status=CaptureStatus.COMPLETED)


def fail_capture(payment: Payment, now: datetime, *, code: str, message: str) -> Payment:
    """The provider refused the capture: nothing is captured, so nothing can be reserved for refunds either."""
    return change(
        payment,
        now,
        **_SETTLED,
        capture_status=CaptureStatus.FAILED,
        amount_captured_minor=0,
        amount_refund_reserved_minor=0,
        error_code=code,
        error_message=message,
    )


def post_capture(payment: Payment, now: datetime) -> Posting:
    """What the ledger says of a completed capture."""
    fee_minor = fee_of(payment.amount_captured_minor, payment.fee_basis_points)
    return Posting(
        transaction_id=f"{payment.id}:capture:{payment.capture_number}",
        kind=PostingKind.CAPTURE,
        merchant_id=payment.merchant_id,
        livemode=payment.livemode,
        currency=payment.currency,
        payment_id=payment.id,
        lines=capture_lines(payment.amount_captured_minor, fee_minor),
        created_at=now,
    )


def is_authorization_expired(payment: Payment, now: datetime) -> bool:
    """Whether the time in which the payment may be captured has passed."""
    return payment.authorization_expires_at is not None and now >= payment.authorization_expires_at


def provider_key(payment: Payment, operation: Operation) -> str:
    """Our idempotency key for the provider: the same for every try of one decision, another for a new decision."""
    if operation is Operation.CAPTURE:
        return f"{payment.id}:capture:{payment.capture_number}"
    if operation is Operation.VOID and payment.authorization_expires_at is None:
        # A request is taken back. If the customer was faster, their authorization may have to be given back yet.
        return f"{payment.id}:withdraw"
    # An inquiry asks about the authorization.
    return f"{payment.id}:{Operation.AUTHORIZE if operation is Operation.INQUIRE else operation}"


def payment_snapshot(payment: Payment) -> dict[str, Any]:
    """The payment as the API and the webhooks show it."""
    error = None
    if payment.error_code is not None:
        error = {"code": payment.error_code, "message": payment.error_message}
    return {
        "id": payment.id,
        "object": "payment",
        "order_id": payment.order_id,
        "amount": payment.amount_minor,
        "currency": payment.currency,
        "method": payment.method,
        "vpa": payment.vpa,
        **_shown_method(payment),
        "status": payment.status,
        "capture_method": payment.capture_method,
        "capture_status": payment.capture_status,
        "captured": payment.captured,
        "amount_captured": payment.amount_captured_minor,
        "amount_refunded": payment.amount_refunded_minor,
        "error": error,
        "next_action": payment.next_action,
        "needs_attention": payment.needs_attention,
        "description": payment.description,
        "metadata": payment.metadata,
        "livemode": payment.livemode,
        "version": payment.version,
        "created_at": format_time(payment.created_at),
        "updated_at": format_time(payment.updated_at),
    }


def payment_event(
    event_type: EventType, payment: Payment, now: datetime, *, snapshot: dict[str, Any] | None = None
) -> Event:
    """The event that tells of the payment as it is now; who has made its snapshot need not pay for it twice."""
    return new_event(
        event_type,
        snapshot or payment_snapshot(payment),
        merchant_id=payment.merchant_id,
        now=now,
        traceparent=payment.traceparent,
    )


def _shown_method(payment: Payment) -> dict[str, Any]:
    details = payment.method_details
    return {
        "upi": details if payment.method == PaymentMethod.UPI else None,
        "card": details if payment.method == PaymentMethod.CARD else None,
        "bank": details.get("bank"),
        "wallet": details.get("wallet"),
    }

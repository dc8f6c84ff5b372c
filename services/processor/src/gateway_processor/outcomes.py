"""What follows from a provider's answer, without I/O: payment and refund after it, events, when to look again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway_common.events.model import Event, EventType, new_event
from gateway_common.payments import model as payments
from gateway_common.payments.model import Operation, Payment, next_operation, payment_snapshot
from gateway_common.refunds import model as refunds
from gateway_common.refunds.model import Refund, RefundStatus, refund_snapshot
from gateway_processor.providers.base import Approved, Declined, Outcome, Pending

STATUS_CHECK_FIRST_SECONDS: Final = 5.0
STATUS_CHECK_SOONEST_SECONDS: Final = 0.1
STATUS_CHECK_LONGEST_SECONDS: Final = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """Ready to be recorded. `due_in_seconds` is None when the payment rests until somebody wants something of it."""

    payment: Payment
    refund: Refund | None
    events: tuple[Event, ...]
    """Of the payment, recorded in the statement of its change; those of refunds come beside it."""
    refund_events: tuple[Event, ...] = ()
    due_in_seconds: float | None


def conclude(
    payment: Payment, operation: Operation, refund: Refund | None, outcome: Outcome, now: datetime
) -> Conclusion:
    """What the outcome of one operation makes of the payment."""
    match outcome:
        case Approved() | Declined():
            return _settle(payment, operation, refund, outcome, now)
        case Pending(check_in_seconds) if check_in_seconds is not None:
            due_in_seconds = max(check_in_seconds, STATUS_CHECK_SOONEST_SECONDS)
        case _:
            # Without evidence nothing moves; the provider is asked later and later, an hour apart at most.
            doublings = min(payment.operation_attempt - 1, 16)
            due_in_seconds = min(STATUS_CHECK_FIRST_SECONDS * 2**doublings, STATUS_CHECK_LONGEST_SECONDS)
    return Conclusion(payment=payment, refund=refund, events=(), due_in_seconds=due_in_seconds)


def _settle(
    payment: Payment, operation: Operation, refund: Refund | None, outcome: Approved | Declined, now: datetime
) -> Conclusion:
    match operation, outcome:
        case Operation.AUTHORIZE, Approved():
            after, event_type = payments.authorize(payment, now), EventType.PAYMENT_SUCCESS
        case Operation.AUTHORIZE, Declined(code, message):
            after, event_type = payments.decline(payment, now, code=code, message=message), EventType.PAYMENT_FAILED
        case Operation.CAPTURE, Approved():
            after, event_type = payments.complete_capture(payment, now), EventType.PAYMENT_CAPTURED
        case Operation.CAPTURE, Declined(code, message):
            after = payments.fail_capture(payment, now, code=code, message=message)
            event_type = EventType.PAYMENT_CAPTURE_FAILED
        case _:
            return _settle_refund(payment, refund, outcome, now)
    return Conclusion(
        payment=after, refund=None, events=(payment_event(event_type, after, now),), due_in_seconds=_due(after)
    )


def _settle_refund(payment: Payment, refund: Refund | None, outcome: Approved | Declined, now: datetime) -> Conclusion:
    if refund is None:
        raise ValueError(f"{payment.id}: a refund was asked of the provider, but none is open")
    if isinstance(outcome, Approved):
        settled, event_type = refunds.move(refund, RefundStatus.PROCESSED, now), EventType.REFUND_PROCESSED
    else:
        settled, event_type = fail_refund(refund, now, outcome), EventType.REFUND_FAILED
    after = refunds.settle_refund(payment, settled, now)
    event = refund_event(event_type, settled, now, payment.traceparent)
    return Conclusion(payment=after, refund=settled, events=(), refund_events=(event,), due_in_seconds=_due(after))


def fail_refund(refund: Refund, now: datetime, reason: Declined) -> Refund:
    return refunds.move(refund, RefundStatus.FAILED, now, error_code=reason.code, error_message=reason.message)


def _due(payment: Payment) -> float | None:
    return 0.0 if next_operation(payment) else None


def payment_event(event_type: EventType, payment: Payment, now: datetime) -> Event:
    return new_event(
        event_type,
        payment_snapshot(payment),
        merchant_id=payment.merchant_id,
        now=now,
        traceparent=payment.traceparent,
    )


def refund_event(event_type: EventType, refund: Refund, now: datetime, traceparent: str | None) -> Event:
    return new_event(
        event_type, refund_snapshot(refund), merchant_id=refund.merchant_id, now=now, traceparent=traceparent
    )

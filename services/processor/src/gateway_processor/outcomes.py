"""What follows from a provider's answer, without I/O: payment and refund after it, events, when to look again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway_common.events.model import Event, EventType, new_event
from gateway_common.ledger.model import Posting
from gateway_common.orders.model import Order, order_snapshot
from gateway_common.payments import endings
from gateway_common.payments import model as payments
from gateway_common.payments.model import Operation, Payment, next_due_seconds, post_capture
from gateway_common.refunds import model as refunds
from gateway_common.refunds.model import Refund, RefundStatus, post_settled
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
    postings: tuple[Posting, ...] = ()
    due_in_seconds: float | None


@dataclass(frozen=True, slots=True)
class Concluder:
    """Decides what outcomes make of payments, under the installation's terms."""

    authorization_ttl: timedelta

    def conclude(
        self, payment: Payment, operation: Operation, refund: Refund | None, outcome: Outcome, now: datetime
    ) -> Conclusion:
        """What the outcome of one operation makes of the payment."""
        match operation, outcome:
            case Operation.AUTHORIZE, Approved():
                after = payments.authorize(payment, now, authorization_ttl=self.authorization_ttl)
                return _of_payment(after, now, EventType.PAYMENT_SUCCESS)
            case _, Approved() | Declined():
                return _settle(payment, operation, refund, outcome, now)
            case _:
                return Conclusion(
                    payment=payment, refund=refund, events=(), due_in_seconds=_check_in_seconds(payment, outcome)
                )


def conclude_expiry(payment: Payment, now: datetime) -> Conclusion:
    """What becomes of an authorization that nobody captured: it ends, or its end is still to come."""
    if not payments.is_authorization_expired(payment, now):
        return Conclusion(payment=payment, refund=None, events=(), due_in_seconds=next_due_seconds(payment, now))
    return _of_payment(endings.expire(payment, now), now, EventType.PAYMENT_EXPIRED)


def _check_in_seconds(payment: Payment, outcome: Outcome) -> float:
    if isinstance(outcome, Pending) and outcome.check_in_seconds is not None:
        return max(outcome.check_in_seconds, STATUS_CHECK_SOONEST_SECONDS)
    # Without evidence nothing moves; the provider is asked later and later, an hour apart at most.
    doublings = min(payment.operation_attempt - 1, 16)
    return min(STATUS_CHECK_FIRST_SECONDS * 2.0**doublings, STATUS_CHECK_LONGEST_SECONDS)


def _settle(
    payment: Payment, operation: Operation, refund: Refund | None, outcome: Approved | Declined, now: datetime
) -> Conclusion:
    match operation, outcome:
        case Operation.AUTHORIZE, Declined(code, message):
            after = payments.decline(payment, now, code=code, message=message)
            return _of_payment(after, now, EventType.PAYMENT_FAILED)
        case Operation.CAPTURE, Approved():
            after = payments.complete_capture(payment, now)
            return _of_payment(after, now, EventType.PAYMENT_CAPTURED, postings=(post_capture(after, now),))
        case Operation.CAPTURE, Declined(code, message):
            after = payments.fail_capture(payment, now, code=code, message=message)
            return _of_payment(after, now, EventType.PAYMENT_CAPTURE_FAILED)
        case Operation.VOID, Approved():
            return _of_payment(endings.complete_void(payment, now), now)
        case Operation.VOID, Declined():
            # Told again, for now it needs attention.
            after = endings.fail_void(payment, now)
            return _of_payment(after, now, EventType(f"payment.{after.status}"))
        case _:
            return _settle_refund(payment, refund, outcome, now)


def _of_payment(
    after: Payment, now: datetime, event_type: EventType | None = None, *, postings: tuple[Posting, ...] = ()
) -> Conclusion:
    events = () if event_type is None else (payments.payment_event(event_type, after, now),)
    return Conclusion(
        payment=after, refund=None, events=events, postings=postings, due_in_seconds=next_due_seconds(after, now)
    )


def _settle_refund(payment: Payment, refund: Refund | None, outcome: Approved | Declined, now: datetime) -> Conclusion:
    if refund is None:
        raise ValueError(f"{payment.id}: a refund was asked of the provider, but none is open")
    if isinstance(outcome, Approved):
        settled, event_type = refunds.move(refund, RefundStatus.PROCESSED, now), EventType.REFUND_PROCESSED
    else:
        settled, event_type = fail_refund(refund, now, outcome), EventType.REFUND_FAILED
    after = refunds.settle_refund(payment, settled, now)
    event = refunds.refund_event(event_type, settled, now, payment.traceparent)
    return Conclusion(
        payment=after,
        refund=settled,
        events=(),
        refund_events=(event,),
        postings=(post_settled(settled, now),),
        due_in_seconds=next_due_seconds(after, now),
    )


def fail_refund(refund: Refund, now: datetime, reason: Declined) -> Refund:
    return refunds.move(refund, RefundStatus.FAILED, now, error_code=reason.code, error_message=reason.message)


def order_event(order: Order, now: datetime, traceparent: str | None) -> Event:
    return new_event(
        EventType.ORDER_PAID, order_snapshot(order), merchant_id=order.merchant_id, now=now, traceparent=traceparent
    )

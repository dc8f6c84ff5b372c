"""What follows from a provider's answer, without I/O: payment and refund after it, events, when to look again."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gateway_common.events.model import Event, EventType, new_event
from gateway_common.ledger.model import Posting
from gateway_common.orders.model import Order, order_snapshot
from gateway_common.payments import endings, requests
from gateway_common.payments import model as payments
from gateway_common.payments.model import Operation, Payment, next_due_seconds, post_capture
from gateway_common.refunds import model as refunds
from gateway_common.refunds.model import Refund, RefundStatus, post_settled
from gateway_processor.claims import Claimed
from gateway_processor.providers.base import Approved, Declined, Expired, Outcome, Pending, Unknown, Unreachable

STATUS_CHECK_FIRST_SECONDS: Final = 5.0
STATUS_CHECK_SOONEST_SECONDS: Final = 0.1
STATUS_CHECK_LONGEST_SECONDS: Final = 3_600.0
"""Whose answer is unknown when the checks have become so rare needs a person's attention."""
UNREACHABLE_LONGEST_SECONDS: Final = 60.0
"""Nothing was sent, so nothing is at risk: the payment goes out soon after the provider is back."""
UNSERVED_SECONDS: Final = 10.0


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LateTerms:
    """What becomes of a payment that succeeds late."""

    keep: bool
    """Whether the merchant wants it, and the order it pays is still open."""


@dataclass(frozen=True, slots=True)
class Concluder:
    """Decides what outcomes make of payments, under the installation's terms."""

    authorization_ttl: timedelta

    def conclude(
        self,
        payment: Payment,
        claimed: Claimed,
        outcome: Outcome,
        now: datetime,
        *,
        fallback: str | None = None,
        late: LateTerms | None = None,
    ) -> Conclusion:
        """What the outcome of the claimed operation makes of the payment as it is now.

        `fallback` is who may be asked instead of a provider that can't be reached, `late` what becomes of a yes
        that comes after the end.
        """
        payment = _referred(payment, outcome)
        match claimed.operation, outcome:
            case Operation.AUTHORIZE, _:
                return self._authorize(payment, claimed, outcome, now, fallback)
            case Operation.INQUIRE, Approved() if late is not None:
                return self._succeed_late(payment, now, late)
            case Operation.INQUIRE, Declined() | Expired():
                return _of_payment(endings.hear_no_news(payment, now), now)
            case _, Approved() | Declined():
                return _settle(payment, claimed.operation, claimed.refund, outcome, now)
            case _:
                return _ask_again(payment, outcome, now)

    def _authorize(
        self, payment: Payment, claimed: Claimed, outcome: Outcome, now: datetime, fallback: str | None
    ) -> Conclusion:
        match outcome:
            case Approved():
                after = payments.authorize(payment, now, authorization_ttl=self.authorization_ttl)
                return _of_payment(after, now, EventType.PAYMENT_SUCCESS)
            case Declined(code, message):
                after = payments.decline(payment, now, code=code, message=message)
                return _of_payment(after, now, EventType.PAYMENT_FAILED)
            case Expired():
                after = endings.expire_request(payment, now, withdraw=False)
                return _of_payment(after, now, EventType.PAYMENT_EXPIRED)
            case Pending():
                return _wait(payment, outcome, now)
            case Unreachable() if claimed.is_first_try:
                after = requests.reroute(payment, now, provider=fallback)
                due_in_seconds = 0.0 if fallback else _backoff(payment.attempt, UNREACHABLE_LONGEST_SECONDS)
                return _unsettled(after, due_in_seconds)
            case _:
                return _ask_again(payment, outcome, now)

    def _succeed_late(self, payment: Payment, now: datetime, late: LateTerms) -> Conclusion:
        succeeded = endings.succeed_late(payment, now, authorization_ttl=self.authorization_ttl)
        told = payments.payment_event(EventType.PAYMENT_LATE_SUCCESS, succeeded, now)
        if late.keep:
            return _of_payment(succeeded, now, told=(told,))
        return _of_payment(endings.give_back(succeeded, now), now, EventType.PAYMENT_CANCELLED, told=(told,))


def conclude_expiry(payment: Payment, now: datetime) -> Conclusion:
    """What becomes of an authorization that nobody captured: it ends, or its end is still to come."""
    if not payments.is_authorization_expired(payment, now):
        return _unsettled(payment, next_due_seconds(payment, now))
    return _of_payment(endings.expire(payment, now), now, EventType.PAYMENT_EXPIRED)


def conclude_unserved(payment: Payment) -> Conclusion:
    """No route leads anywhere for the payment. Nothing was sent; it waits for an operator to make one."""
    return _unsettled(payment, UNSERVED_SECONDS)


def _referred(payment: Payment, outcome: Outcome) -> Payment:
    """The payment with the name that its provider gave it."""
    reference = None if isinstance(outcome, Unreachable) else outcome.reference
    if reference is None or reference == payment.provider_reference:
        return payment
    return replace(payment, provider_reference=reference)


def _wait(payment: Payment, outcome: Pending, now: datetime) -> Conclusion:
    """The provider waits for the customer, until their time is up; then the request is taken back."""
    if requests.is_request_expired(payment, now):
        return _of_payment(endings.expire_request(payment, now, withdraw=True), now, EventType.PAYMENT_EXPIRED)
    after = requests.wait_for_customer(
        payment,
        now,
        next_action=payment.next_action if outcome.next_action is None else dict(outcome.next_action),
        expires_at=outcome.expires_at or payment.request_expires_at,
    )
    due_in_seconds = _check_in_seconds(payment, outcome)
    if after.request_expires_at is not None:
        left_seconds = (after.request_expires_at - now).total_seconds()
        due_in_seconds = min(due_in_seconds, max(left_seconds, STATUS_CHECK_SOONEST_SECONDS))
    return _unsettled(after, due_in_seconds)


def _ask_again(payment: Payment, outcome: Outcome, now: datetime) -> Conclusion:
    """Without evidence nothing moves; the provider is asked later and later, and in the end a person is."""
    due_in_seconds = _check_in_seconds(payment, outcome)
    if due_in_seconds >= STATUS_CHECK_LONGEST_SECONDS and isinstance(outcome, Unknown | Unreachable):
        payment = requests.ask_for_attention(payment, now)
    return _unsettled(payment, due_in_seconds)


def _check_in_seconds(payment: Payment, outcome: Outcome) -> float:
    if isinstance(outcome, Pending) and outcome.check_in_seconds is not None:
        return max(outcome.check_in_seconds, STATUS_CHECK_SOONEST_SECONDS)
    return _backoff(payment.operation_attempt, STATUS_CHECK_LONGEST_SECONDS)


def _backoff(attempt: int, longest_seconds: float) -> float:
    doublings = min(max(attempt - 1, 0), 16)
    return min(STATUS_CHECK_FIRST_SECONDS * 2.0**doublings, longest_seconds)


def _unsettled(payment: Payment, due_in_seconds: float | None) -> Conclusion:
    return Conclusion(payment=payment, refund=None, events=(), due_in_seconds=due_in_seconds)


def _settle(
    payment: Payment, operation: Operation, refund: Refund | None, outcome: Approved | Declined, now: datetime
) -> Conclusion:
    match operation, outcome:
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
    after: Payment,
    now: datetime,
    event_type: EventType | None = None,
    *,
    postings: tuple[Posting, ...] = (),
    told: tuple[Event, ...] = (),
) -> Conclusion:
    """The payment after a change that is an event; `told` are those that came before in the same breath."""
    events = told if event_type is None else (*told, payments.payment_event(event_type, after, now))
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

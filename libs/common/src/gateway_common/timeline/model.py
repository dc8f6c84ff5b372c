"""A payment's timeline without I/O: its entries in order, and in plain words what happens next and who is awaited."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from gateway_common.clock import format_time
from gateway_common.money import format_amount
from gateway_common.payments.model import CaptureStatus, Operation, Payment, PaymentStatus, VoidStatus, next_operation
from gateway_common.timeline.webhooks import WaitingDelivery, waiting_snapshot


class EntryKind(StrEnum):
    """In the order in which entries of one moment are told: the answer, what it changed, the money, the news."""

    PROVIDER_ANSWER = "provider_answer"
    EVENT = "event"
    LEDGER_ENTRY = "ledger_entry"
    WEBHOOK_ATTEMPT = "webhook_attempt"


class WaitingFor(StrEnum):
    PROCESSOR = "processor"
    PROVIDER = "provider"
    CUSTOMER = "customer"
    MERCHANT = "merchant"
    SUPPORT = "support"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One thing that happened. `details` are what the entry's kind has to say, as the API shows it."""

    at: datetime
    kind: EntryKind
    summary: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """When the payment is next due for a processor, and since when one has it."""

    due_at: datetime | None
    leased_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    what: str
    waiting_for: WaitingFor
    at: datetime | None = None


_KINDS: Final = list(EntryKind)
_ASKING: Final = {
    Operation.AUTHORIZE: "authorize the payment",
    Operation.CAPTURE: "take the money",
    Operation.VOID: "give the authorization back",
    Operation.REFUND: "refund the customer",
    Operation.INQUIRE: "say what became of the payment",
}
_ENDED: Final = {
    PaymentStatus.FAILED: "Nothing: the payment failed. A new payment may be made.",
    PaymentStatus.CANCELLED: "Nothing: the payment was cancelled.",
    PaymentStatus.EXPIRED: "Nothing: the payment expired.",
}


def summarize_answer(provider: str, operation: str, outcome: str, *, reason: str | None) -> str:
    """`simulator on capture: declined (capture_declined)`."""
    return f"{provider} on {operation}: {outcome}" + (f" ({reason})" if reason else "")


def summarize_entry(account: str, amount_minor: int, currency: str, *, kind: str) -> str:
    """`merchant_balance -10.00 INR (refund_hold)`: what the account gained, and for what."""
    return f"{account} {format_amount(amount_minor, currency)} ({kind})"


def summarize_attempt(event_type: str, endpoint_id: str, number: int, *, result: str) -> str:
    """`payment.success to we_…, attempt 2: answered 200`."""
    return f"{event_type} to {endpoint_id}, attempt {number}: {result}"


def in_order(entries: list[TimelineEntry]) -> list[TimelineEntry]:
    """The entries by time, and of one moment by kind."""
    return sorted(entries, key=lambda entry: (entry.at, _KINDS.index(entry.kind)))


def next_step(payment: Payment, work: Work) -> NextStep:
    """What happens next to the payment, when, and for whom we wait."""
    operation = next_operation(payment)
    if operation is Operation.EXPIRE:
        return NextStep(
            what="You capture the payment, in full or in part, or cancel it. After this time it expires uncaptured.",
            waiting_for=WaitingFor.MERCHANT,
            at=payment.authorization_expires_at,
        )
    if operation is not None:
        return _work_step(payment, operation, work)
    if payment.void_status is VoidStatus.FAILED and _was_authorized(payment):
        return NextStep(
            what="The provider did not void the authorization. It lapses by itself; ask the provider to hurry.",
            waiting_for=WaitingFor.SUPPORT,
        )
    if payment.status is not PaymentStatus.SUCCESS:
        return NextStep(what=_ENDED[payment.status], waiting_for=WaitingFor.NOBODY)
    return _resting_step(payment)


def _work_step(payment: Payment, operation: Operation, work: Work) -> NextStep:
    doing = _ASKING[operation]
    if operation is Operation.VOID and not _was_authorized(payment):
        doing = "take the request back"
    if work.leased_at is not None:
        return NextStep(
            what=f"The provider was asked to {doing}: its answer is awaited.", waiting_for=WaitingFor.PROVIDER
        )
    if payment.request_expires_at is not None:
        return NextStep(
            what="The customer approves the payment. After this time it expires.",
            waiting_for=WaitingFor.CUSTOMER,
            at=payment.request_expires_at,
        )
    if payment.status is PaymentStatus.PROCESSING and payment.provider is None and payment.operation_attempt == 0:
        return NextStep(
            what="No provider could be reached, so nothing was charged. It is tried again.",
            waiting_for=WaitingFor.PROVIDER,
            at=work.due_at,
        )
    if payment.needs_attention and payment.operation_attempt > 0:
        return NextStep(
            what=f"The provider has not said for long whether it could {doing}. It is asked again; ask there too.",
            waiting_for=WaitingFor.SUPPORT,
            at=work.due_at,
        )
    if payment.operation_attempt > 0:
        return NextStep(
            what=f"Whether the provider could {doing} is not known yet: it is asked again.",
            waiting_for=WaitingFor.PROVIDER,
            at=work.due_at,
        )
    return NextStep(what=f"A processor asks the provider to {doing}.", waiting_for=WaitingFor.PROCESSOR, at=work.due_at)


def _was_authorized(payment: Payment) -> bool:
    """Whether the provider had said yes: if not, there is no authorization to give back, only an open request."""
    return payment.authorization_expires_at is not None


def _resting_step(payment: Payment) -> NextStep:
    if payment.capture_status is not CaptureStatus.COMPLETED:
        return NextStep(what="You capture the payment or cancel it.", waiting_for=WaitingFor.MERCHANT)
    left = payment.amount_captured_minor - payment.amount_refunded_minor
    if left == 0:
        return NextStep(what="Nothing: all that was captured is refunded.", waiting_for=WaitingFor.NOBODY)
    shown = format_amount(left, payment.currency)
    return NextStep(what=f"Nothing: the payment is captured. {shown} can be refunded.", waiting_for=WaitingFor.NOBODY)


def timeline_snapshot(
    payment: Payment, entries: list[TimelineEntry], work: Work, waiting: list[WaitingDelivery], *, has_more: bool
) -> dict[str, Any]:
    """The timeline as the API shows it."""
    step = next_step(payment, work)
    return {
        "object": "timeline",
        "payment_id": payment.id,
        "status": payment.status,
        "entries": [
            {"at": format_time(entry.at), "kind": entry.kind, "summary": entry.summary, **entry.details}
            for entry in in_order(entries)
        ],
        "has_more": has_more,
        "next": {
            "what": step.what,
            "waiting_for": step.waiting_for,
            "at": None if step.at is None else format_time(step.at),
        },
        "webhooks_waiting": [waiting_snapshot(delivery) for delivery in waiting],
    }

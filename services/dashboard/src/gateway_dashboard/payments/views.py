"""Payments and refunds as the pages show them, made from the API's JSON. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway_common.money import format_amount
from gateway_dashboard.moments import Moment, parse_moment

STATUSES: Final = ("pending", "processing", "success", "failed", "cancelled", "expired")
_KINDS: Final = {
    "event": "Event",
    "provider_answer": "Provider",
    "ledger_entry": "Ledger",
    "webhook_attempt": "Webhook",
}
_METHODS: Final = {"upi": "UPI", "card": "Card", "netbanking": "Net banking", "wallet": "Wallet"}


@dataclass(frozen=True, slots=True)
class PaymentView:
    """One payment in words."""

    id: str
    status: str
    amount: str
    method: str
    payer: str | None
    order_id: str | None
    description: str | None
    capture: str
    refunded: str | None
    error: str | None
    metadata: Mapping[str, str]
    created: Moment
    updated: Moment


@dataclass(frozen=True, slots=True)
class RefundView:
    """One refund in words."""

    id: str
    status: str
    amount: str
    reason: str | None
    error: str | None
    created: Moment


@dataclass(frozen=True, slots=True)
class HappeningView:
    """One entry of the timeline in words."""

    kind: str
    summary: str
    at: Moment


@dataclass(frozen=True, slots=True)
class WaitingView:
    """One webhook that has not arrived yet, in words."""

    what: str
    at: Moment | None


@dataclass(frozen=True, slots=True)
class TimelineView:
    """What happened to a payment, the latest last, and what happens next."""

    happenings: list[HappeningView]
    has_more: bool
    next: str
    next_at: Moment | None
    waiting: list[WaitingView]


def payment_view(payment: Mapping[str, Any]) -> PaymentView:
    refunded = payment["amount_refunded"]
    return PaymentView(
        id=payment["id"],
        status=payment["status"],
        amount=format_amount(payment["amount"], payment["currency"]),
        method=_METHODS.get(payment["method"], payment["method"]),
        payer=_payer(payment),
        order_id=payment["order_id"],
        description=payment["description"],
        capture=_capture_words(payment),
        refunded=format_amount(refunded, payment["currency"]) if refunded else None,
        error=_error_words(payment["error"]),
        metadata=payment["metadata"],
        created=parse_moment(payment["created_at"]),
        updated=parse_moment(payment["updated_at"]),
    )


def refund_view(refund: Mapping[str, Any]) -> RefundView:
    return RefundView(
        id=refund["id"],
        status=refund["status"],
        amount=format_amount(refund["amount"], refund["currency"]),
        reason=refund["reason"],
        error=_error_words(refund["error"]),
        created=parse_moment(refund["created_at"]),
    )


def timeline_view(timeline: Mapping[str, Any]) -> TimelineView:
    step = timeline["next"]
    return TimelineView(
        happenings=[
            HappeningView(kind=_KINDS[entry["kind"]], summary=entry["summary"], at=parse_moment(entry["at"]))
            for entry in timeline["entries"]
        ],
        has_more=timeline["has_more"],
        next=step["what"],
        next_at=None if step["at"] is None else parse_moment(step["at"]),
        waiting=[
            WaitingView(
                what=f"{delivery['event_type']} to {delivery['endpoint_id']}, {_tried(delivery['attempts'])}. "
                f"{delivery['what']}",
                at=None if delivery["at"] is None else parse_moment(delivery["at"]),
            )
            for delivery in timeline["webhooks_waiting"]
        ],
    )


def _tried(attempts: int) -> str:
    return {0: "not tried yet", 1: "tried once"}.get(attempts, f"tried {attempts} times")


def _payer(payment: Mapping[str, Any]) -> str | None:
    """Who or what pays: a UPI address, a card by its last digits, a bank or a wallet."""
    if card := payment["card"]:
        return f"{card['brand']} •••• {card['last4']}"
    payer: str | None = payment["vpa"] or payment["bank"] or payment["wallet"]
    return payer


def _capture_words(payment: Mapping[str, Any]) -> str:
    """What became of the money: a success is an authorization until it is captured."""
    amount = format_amount(payment["amount_captured"], payment["currency"])
    match payment["capture_status"]:
        case "completed":
            return f"Captured {amount}"
        case "pending":
            return f"Capturing {amount}"
        case "failed":
            return "Capture failed"
        case _:
            return "Authorized, not captured" if payment["status"] == "success" else "Not captured"


def _error_words(error: Mapping[str, str] | None) -> str | None:
    return f"{error['message']} ({error['code']})" if error else None

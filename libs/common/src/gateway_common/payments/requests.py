"""A request that is with its provider and has no answer yet: who is waited for, until when, and who is asked instead.

Without I/O.
"""

from datetime import datetime
from typing import Any

from gateway_common.payments.model import Payment, change


def wait_for_customer(
    payment: Payment, now: datetime, *, next_action: dict[str, Any] | None, expires_at: datetime | None
) -> Payment:
    """The provider waits for the customer, until then; the same payment if that was known."""
    if (next_action, expires_at) == (payment.next_action, payment.request_expires_at):
        return payment
    return change(payment, now, next_action=next_action, request_expires_at=expires_at)


def is_request_expired(payment: Payment, now: datetime) -> bool:
    """Whether the customer was waited for long enough."""
    return payment.request_expires_at is not None and now >= payment.request_expires_at


def reroute(payment: Payment, now: datetime, *, provider: str | None) -> Payment:
    """The provider could not be reached: another is asked, or, if there is none now, whoever can be reached later."""
    return change(payment, now, provider=provider, operation_attempt=0)


def ask_for_attention(payment: Payment, now: datetime) -> Payment:
    """The provider has not said for so long what became of a request that a person should ask; the same if told."""
    return payment if payment.needs_attention else change(payment, now, needs_attention=True)

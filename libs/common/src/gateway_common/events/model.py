"""An event: what happened, with the full snapshot of its object, as the bytes every webhook carries."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from gateway_common.clock import format_time
from gateway_common.ids import EVENT, new_id


class EventType(StrEnum):
    PAYMENT_CREATED = "payment.created"
    PAYMENT_PROCESSING = "payment.processing"
    PAYMENT_SUCCESS = "payment.success"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_CAPTURED = "payment.captured"
    PAYMENT_CAPTURE_FAILED = "payment.capture_failed"
    PAYMENT_CANCELLED = "payment.cancelled"
    PAYMENT_EXPIRED = "payment.expired"
    PAYMENT_LATE_SUCCESS = "payment.late_success"
    REFUND_CREATED = "refund.created"
    REFUND_PROCESSED = "refund.processed"
    REFUND_FAILED = "refund.failed"
    ORDER_PAID = "order.paid"
    WEBHOOK_ENDPOINT_DISABLED = "webhook_endpoint.disabled"
    WEBHOOK_ENDPOINT_ENABLED = "webhook_endpoint.enabled"
    PING = "ping"
    """Goes to the endpoint it was asked for, whatever types that wants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    id: str
    merchant_id: str
    livemode: bool
    type: EventType
    object_id: str
    body: bytes
    traceparent: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedEvent:
    """An event as the merchant reads it: `sequence` counts the merchant's events of a mode, without a gap."""

    id: str
    livemode: bool
    type: str
    sequence: int
    body: bytes


def new_event(
    event_type: EventType,
    snapshot: dict[str, Any],
    *,
    merchant_id: str,
    now: datetime,
    traceparent: str | None,
) -> Event:
    """The event of a change, its body frozen now.

    The bytes must survive `JSON.stringify(JSON.parse(body))`: no floats, no integer beyond 2^53 and no
    integer-like key may be in `snapshot`. Amounts and metadata are checked for that when they come in.
    """
    event_id = new_id(EVENT, now)
    body = {
        "id": event_id,
        "type": event_type,
        "created_at": format_time(now),
        "data": {snapshot["object"]: snapshot},
    }
    return Event(
        id=event_id,
        merchant_id=merchant_id,
        livemode=snapshot["livemode"],
        type=event_type,
        object_id=snapshot["id"],
        body=orjson.dumps(body),
        traceparent=traceparent,
        created_at=now,
    )


def numbered_event_snapshot(event: NumberedEvent) -> dict[str, Any]:
    """The event as the API shows it: what its webhook says, and its number."""
    body: dict[str, Any] = orjson.loads(event.body)
    data = body.pop("data")
    return {**body, "object": "event", "sequence": event.sequence, "livemode": event.livemode, "data": data}

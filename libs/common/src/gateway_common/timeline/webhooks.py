"""A webhook of a payment that has not arrived yet: what happens with it next, in plain words. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway_common.clock import format_time
from gateway_common.webhooks.model import DeliveryStatus, DisabledReason, EndpointStatus

_STOPPED: Final = {
    DisabledReason.GONE: "the endpoint answered 410 and was disabled",
    DisabledReason.FAILING: "the endpoint answered nothing but failures for five days and was disabled",
    None: "the endpoint is paused",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingDelivery:
    """A delivery on its way, or held, and what is known of its endpoint. `asked_at` is the database's time."""

    delivery_id: str
    endpoint_id: str
    event_type: str
    status: DeliveryStatus
    attempts: int
    due_at: datetime | None
    is_leased: bool
    endpoint_status: EndpointStatus
    disabled_reason: DisabledReason | None
    blocked_until: datetime | None
    asked_at: datetime

    @property
    def is_blocked(self) -> bool:
        """Whether the endpoint's breaker is open beyond the time at which the delivery is due."""
        if self.blocked_until is None or self.due_at is None or self.is_leased:
            return False
        return self.blocked_until > max(self.due_at, self.asked_at)


def next_attempt_at(delivery: WaitingDelivery) -> datetime | None:
    """When it is tried next at the earliest; None if that is not for time to decide."""
    if delivery.endpoint_status is not EndpointStatus.ENABLED or delivery.is_leased:
        return None
    return delivery.blocked_until if delivery.is_blocked else delivery.due_at


def waiting_words(delivery: WaitingDelivery) -> str:
    """What the delivery waits for."""
    if delivery.is_leased:
        return "An attempt is under way."
    if delivery.endpoint_status is EndpointStatus.DELETED:
        return "It is about to be cancelled: the endpoint was deleted."
    if delivery.endpoint_status is not EndpointStatus.ENABLED:
        return f"Held: {_STOPPED[delivery.disabled_reason]}. It is sent once you enable the endpoint again."
    if delivery.status is DeliveryStatus.HELD:
        return "It was held and is about to be sent: the endpoint is enabled again."
    if delivery.is_blocked:
        return "The endpoint keeps failing, so nothing is sent to it before this time. No attempt is lost by that."
    return "It is sent." if delivery.attempts == 0 else "It is tried again."


def waiting_snapshot(delivery: WaitingDelivery) -> dict[str, Any]:
    """The delivery as the timeline shows it."""
    at = next_attempt_at(delivery)
    return {
        "delivery_id": delivery.delivery_id,
        "endpoint_id": delivery.endpoint_id,
        "event_type": delivery.event_type,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "what": waiting_words(delivery),
        "at": None if at is None else format_time(at),
    }

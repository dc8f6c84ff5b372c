"""Webhook endpoints and deliveries as the page shows them, made from the API's JSON. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway_dashboard.moments import Moment, parse_moment


@dataclass(frozen=True, slots=True)
class EndpointView:
    """One endpoint in words."""

    id: str
    url: str
    description: str | None
    status: str
    events: str
    created: Moment


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery in words."""

    id: str
    event_type: str
    event_id: str
    url: str
    status: str
    attempts: int
    outcome: str
    next_attempt: Moment | None
    created: Moment


def endpoint_view(endpoint: Mapping[str, Any]) -> EndpointView:
    return EndpointView(
        id=endpoint["id"],
        url=endpoint["url"],
        description=endpoint["description"],
        status=endpoint["status"],
        events=_event_words(endpoint["event_types"]),
        created=parse_moment(endpoint["created_at"]),
    )


def delivery_view(delivery: Mapping[str, Any]) -> DeliveryView:
    waits = delivery["status"] == "pending" and delivery["due_at"]
    return DeliveryView(
        id=delivery["id"],
        event_type=delivery["event_type"],
        event_id=delivery["event_id"],
        url=delivery["url"],
        status=delivery["status"],
        attempts=delivery["attempts"],
        outcome=outcome_words(delivery),
        next_attempt=parse_moment(delivery["due_at"]) if waits else None,
        created=parse_moment(delivery["created_at"]),
    )


def _event_words(event_types: Sequence[str] | None) -> str:
    return ", ".join(event_types) if event_types and "*" not in event_types else "All events"


def outcome_words(delivery: Mapping[str, Any]) -> str:
    """The last answer, the last trouble, or that there was no attempt yet."""
    if delivery["last_error"]:
        return str(delivery["last_error"])
    if delivery["last_response_status"]:
        return f"Answered {delivery['last_response_status']}"
    return "Not sent yet"

"""Webhook endpoints and deliveries as values. What becomes of an attempt is in outcome.py."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway_common.clock import format_time


class EndpointStatus(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"
    """Its deliveries are held, not dropped."""
    DELETED = "deleted"
    """Its waiting deliveries were cancelled; its history stays."""


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    id: str
    merchant_id: str
    livemode: bool
    url: str
    description: str | None
    event_types: list[str]
    status: EndpointStatus
    sealed_secret: bytes
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """One event on its way to one endpoint, as the merchant sees it."""

    id: str
    event_id: str
    event_type: str
    endpoint_id: str
    url: str
    livemode: bool
    status: DeliveryStatus
    attempts: int
    due_at: datetime | None
    last_response_status: int | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    """All a dispatcher needs for one attempt. `claim` fences it: an outcome of an older claim is not recorded."""

    id: str
    claim: int
    attempts: int
    event_id: str
    event_type: str
    body: bytes
    traceparent: str | None
    endpoint_id: str
    livemode: bool = False
    url: str
    sealed_secret: bytes


def seal_context(endpoint_id: str) -> str:
    """What binds a sealed secret to its endpoint's row."""
    return f"webhook_endpoints.sealed_secret:{endpoint_id}"


def endpoint_snapshot(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """The endpoint as the API shows it, without its secret."""
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": endpoint.event_types,
        "status": endpoint.status,
        "livemode": endpoint.livemode,
        "created_at": format_time(endpoint.created_at),
        "updated_at": format_time(endpoint.updated_at),
    }


def delivery_snapshot(delivery: WebhookDelivery) -> dict[str, Any]:
    """The delivery as the API shows it."""
    return {
        "id": delivery.id,
        "object": "webhook_delivery",
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "endpoint_id": delivery.endpoint_id,
        "url": delivery.url,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "due_at": format_time(delivery.due_at) if delivery.due_at else None,
        "last_response_status": delivery.last_response_status,
        "last_error": delivery.last_error,
        "livemode": delivery.livemode,
        "created_at": format_time(delivery.created_at),
        "updated_at": format_time(delivery.updated_at),
    }

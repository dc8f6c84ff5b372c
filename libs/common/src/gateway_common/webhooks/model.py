"""Webhook endpoints and deliveries as values. What becomes of an attempt is in outcome.py."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway_common.clock import format_time


class EndpointStatus(StrEnum):
    ENABLED = "enabled"
    PAUSED = "paused"
    """By its merchant. Deliveries are held, not dropped."""
    DISABLED = "disabled"
    """By the gateway, see `DisabledReason`. Deliveries are held, not dropped."""
    DELETED = "deleted"
    """Its waiting deliveries were cancelled; its history stays."""


class DisabledReason(StrEnum):
    GONE = "gone"
    """It answered 410."""
    FAILING = "failing"
    """For five days it answered nothing but failures."""


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    HELD = "held"
    """Waits for its endpoint to be enabled again."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """The schedule is exhausted. It is kept, and can be retried and replayed."""
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """Where a merchant wants its events. None in a limit means the gateway's own."""

    id: str
    merchant_id: str
    livemode: bool
    url: str
    description: str | None
    event_types: list[str]
    status: EndpointStatus
    disabled_reason: DisabledReason | None = None
    sealed_secret: bytes
    sealed_old_secret: bytes | None = None
    """The secret before the last rotation, which signs too until `old_secret_until`."""
    old_secret_until: datetime | None = None
    promoted_at: datetime | None = None
    """From then on the plain header, which has room for one signature, is signed with the new secret."""
    timeout_seconds: int | None = None
    max_in_flight: int | None = None
    rate_limit_per_second: int | None = None
    header_names: list[str] = field(default_factory=list)
    sealed_headers: bytes | None = None
    """The merchant's own request headers, a JSON object, sealed: they may hold credentials."""
    retry_tail: bool = False
    """Whether retries go on to about three days, see schedule.py."""
    auto_recover: bool = True
    """Whether exhausted deliveries are tried again when the endpoint answers again."""
    version: int = 1
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
    replay_id: str | None = None
    """The replay that has it sent again, or had."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    """All a dispatcher needs for one attempt. `claim` fences it: an outcome of an older claim is not recorded."""

    id: str
    claim: int
    attempts: int
    schedule_from: int = 0
    """How many of the attempts were made before the present schedule began."""
    event_id: str
    event_type: str
    body: bytes
    traceparent: str | None
    endpoint_id: str
    livemode: bool = False
    url: str
    sealed_secret: bytes
    sealed_old_secret: bytes | None = None
    """None if there is no other, or its overlap has ended."""
    promoted: bool = False
    sealed_headers: bytes | None = None
    timeout_seconds: int | None = None
    retry_tail: bool = False
    noteworthy: bool = False
    """Whether also a success changes what is known of the endpoint's health: it failed last, or is not heard of."""
    at_limit: bool = False
    """Whether the claim took all that the endpoint may have now: more may wait until a place of it is free."""


def with_status(
    endpoint: WebhookEndpoint, status: EndpointStatus, *, now: datetime, reason: DisabledReason | None = None
) -> WebhookEndpoint:
    """The endpoint in another status; `reason` only if it is disabled."""
    return replace(endpoint, status=status, disabled_reason=reason, version=endpoint.version + 1, updated_at=now)


def seal_context(endpoint_id: str) -> str:
    """What binds a sealed secret to its endpoint's row; the old one's is the same, for it is moved as it is."""
    return f"webhook_endpoints.sealed_secret:{endpoint_id}"


def headers_context(endpoint_id: str) -> str:
    """What binds an endpoint's sealed headers to its row."""
    return f"webhook_endpoints.sealed_headers:{endpoint_id}"


def endpoint_snapshot(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """The endpoint as the API shows it, without its secrets and without what its own headers say."""
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": endpoint.event_types,
        "status": endpoint.status,
        "disabled_reason": endpoint.disabled_reason,
        "timeout_seconds": endpoint.timeout_seconds,
        "max_in_flight": endpoint.max_in_flight,
        "rate_limit_per_second": endpoint.rate_limit_per_second,
        "header_names": endpoint.header_names,
        "retry_tail": endpoint.retry_tail,
        "auto_recover": endpoint.auto_recover,
        "old_secret_expires_at": format_time(endpoint.old_secret_until) if endpoint.old_secret_until else None,
        "livemode": endpoint.livemode,
        "version": endpoint.version,
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
        "replay_id": delivery.replay_id,
        "livemode": delivery.livemode,
        "created_at": format_time(delivery.created_at),
        "updated_at": format_time(delivery.updated_at),
    }

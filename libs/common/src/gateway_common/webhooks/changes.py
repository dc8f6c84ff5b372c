"""What a merchant may change: an endpoint, its secret, and when a delivery is tried again. Pure decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from gateway_common.clock import format_time
from gateway_common.errors import (
    DeliveryStateError,
    EndpointLimitError,
    EndpointStateError,
    NoSecretRotationError,
    SecretRotationError,
)
from gateway_common.webhooks.model import EndpointStatus, WebhookEndpoint, with_status

ENDPOINTS_MOST: Final = 50
"""So many a merchant may have in one mode: every event is written once for each of them."""
OVERLAP_MOST: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStanding:
    """What decides whether a delivery may be tried again now."""

    leased: bool
    """Whether a dispatcher holds it for an attempt."""
    endpoint_id: str
    endpoint_status: EndpointStatus


def check_room(count: int) -> None:
    """EndpointLimitError if a merchant with so many endpoints may have no further one."""
    if count >= ENDPOINTS_MOST:
        raise EndpointLimitError(f"There may be {ENDPOINTS_MOST} webhook endpoints in one mode. Delete one first.")


def check_enabled(endpoint_id: str, status: EndpointStatus) -> None:
    """EndpointStateError unless the endpoint takes deliveries."""
    if status is EndpointStatus.DELETED:
        raise EndpointStateError(f"The webhook endpoint {endpoint_id} was deleted.")
    if status is not EndpointStatus.ENABLED:
        raise EndpointStateError(f"The webhook endpoint {endpoint_id} is {status}. Enable it first.")


def check_retry(standing: DeliveryStanding) -> None:
    """EndpointStateError or DeliveryStateError if the delivery can't be tried again now."""
    check_enabled(standing.endpoint_id, standing.endpoint_status)
    if standing.leased:
        raise DeliveryStateError("An attempt at this delivery is under way.")


def decide_change(
    endpoint: WebhookEndpoint, values: Mapping[str, Any], status: EndpointStatus | None, *, now: datetime
) -> WebhookEndpoint | None:
    """The endpoint with these fields and this status, one version on; None if it is so already."""
    changed = replace(endpoint, **values)
    if status is not None and status is not endpoint.status:
        return with_status(without_ended_secret(changed, now), status, now=now)
    return None if changed == endpoint else _next_version(changed, now)


def decide_rotation(
    endpoint: WebhookEndpoint, sealed_secret: bytes, *, overlap: timedelta, now: datetime
) -> WebhookEndpoint:
    """The endpoint with a new secret, the one it had beside it for the overlap; SecretRotationError.

    An old secret that still signs the plain header is not dropped for a newer one, for receivers would know neither,
    unless nothing is to overlap: so a secret that leaked is ended in one call.
    """
    overlaps = overlap > timedelta()
    until = without_ended_secret(endpoint, now).old_secret_until
    if overlaps and until is not None and endpoint.promoted_at is None:
        raise SecretRotationError(
            f"The secret before this one signs X-Webhook-Signature until {format_time(until)}. Promote this one first."
        )
    rotated = replace(
        endpoint,
        sealed_secret=sealed_secret,
        sealed_old_secret=endpoint.sealed_secret if overlaps else None,
        old_secret_until=now + overlap if overlaps else None,
        promoted_at=None,
    )
    return _next_version(rotated, now)


def decide_promotion(endpoint: WebhookEndpoint, *, now: datetime) -> WebhookEndpoint | None:
    """The endpoint with its new secret in the plain header; None if that is so, NoSecretRotationError."""
    if without_ended_secret(endpoint, now).sealed_old_secret is None:
        raise NoSecretRotationError("There is no old secret, so the new one is used everywhere already.")
    return None if endpoint.promoted_at else _next_version(replace(endpoint, promoted_at=now), now)


def without_ended_secret(endpoint: WebhookEndpoint, now: datetime) -> WebhookEndpoint:
    """The endpoint without an old secret whose overlap has ended: it is not shown, and goes with the next change."""
    if endpoint.old_secret_until is None or endpoint.old_secret_until > now:
        return endpoint
    return replace(endpoint, sealed_old_secret=None, old_secret_until=None, promoted_at=None)


def _next_version(endpoint: WebhookEndpoint, now: datetime) -> WebhookEndpoint:
    return replace(without_ended_secret(endpoint, now), version=endpoint.version + 1, updated_at=now)

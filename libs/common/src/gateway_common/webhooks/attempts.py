"""An attempt as it was recorded, and as the merchant sees it. What becomes of one is in outcome.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway_common.clock import format_time
from gateway_common.webhooks.model import WebhookDelivery, delivery_snapshot
from gateway_common.webhooks.outcome import FailureReason, Phases


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAttempt:
    number: int
    started_at: datetime
    duration_ms: int
    phases: Phases
    request_headers: Mapping[str, str]
    """As they were sent, but for the values of the merchant's own."""
    response_status: int | None
    response_body: bytes
    """What was kept of it."""
    reason: FailureReason | None
    error: str | None

    @property
    def delivered(self) -> bool:
        return self.response_status is not None and 200 <= self.response_status < 300  # noqa: PLR2004


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDetail:
    """A delivery with what it sends and what came of it."""

    delivery: WebhookDelivery
    request_body: bytes
    attempts: list[WebhookAttempt]
    """The last ones, newest first."""


def detail_snapshot(detail: DeliveryDetail) -> dict[str, Any]:
    """The delivery as the API shows it by itself."""
    return {
        **delivery_snapshot(detail.delivery),
        "request_body": detail.request_body.decode(),
        "attempt_history": [_attempt_snapshot(attempt) for attempt in detail.attempts],
    }


def _attempt_snapshot(attempt: WebhookAttempt) -> dict[str, Any]:
    phases = attempt.phases
    return {
        "number": attempt.number,
        "started_at": format_time(attempt.started_at),
        "duration_ms": attempt.duration_ms,
        "phases": {
            "dns_ms": phases.dns_ms,
            "connect_ms": phases.connect_ms,
            "tls_ms": phases.tls_ms,
            "wait_ms": phases.wait_ms,
            "read_ms": phases.read_ms,
        },
        "request_headers": attempt.request_headers,
        "response_status": attempt.response_status,
        # Whatever a receiver sends must be shown: what is no UTF-8 is replaced.
        "response_body": attempt.response_body.decode(errors="replace"),
        "reason": attempt.reason,
        "error": attempt.error,
        "delivered": attempt.delivered,
    }

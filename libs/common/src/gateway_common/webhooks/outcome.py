"""One attempt at a delivery as values, and the decision about what follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway_common.webhooks.model import ClaimedDelivery, DeliveryStatus
from gateway_common.webhooks.schedule import next_attempt_in_seconds

NO_HEADERS: Final[Mapping[str, str]] = {}


class FailureReason(StrEnum):
    """Why an attempt failed, in one word: for metrics and for programs. `error` says it in a sentence."""

    NAME_UNKNOWN = "name_unknown"
    ADDRESS_REFUSED = "address_refused"
    """The name leads to an address or a port that a webhook may not reach."""
    UNREACHABLE = "unreachable"
    TLS = "tls"
    TIMEOUT = "timeout"
    CONNECTION_BROKEN = "connection_broken"
    NOT_HTTP = "not_http"
    """What came is no HTTP response, or more of a head than is read."""
    STATUS = "status"
    REDIRECT = "redirect"
    GONE = "gone"
    """410, the receiver's word that it wants nothing more, ever (Standard Webhooks): its endpoint is disabled."""
    SEAL_BROKEN = "seal_broken"
    """The endpoint's secret or headers can't be opened with the master key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """How long each part of an attempt took, in milliseconds; None for a part that was not reached or not needed.

    A kept-alive connection needs neither look-up nor connect nor TLS.
    """

    dns_ms: int | None = None
    connect_ms: int | None = None
    tls_ms: int | None = None
    wait_ms: int | None = None
    """From when the request could be sent to the response's head."""
    read_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """What one attempt brought: a response, or the reason there was none."""

    started_at: datetime
    duration_ms: int
    phases: Phases = field(default_factory=Phases)
    response_status: int | None = None
    response_body: bytes = b""
    reason: FailureReason | None = None
    error: str | None = None
    retry_after_seconds: float | None = None

    @property
    def delivered(self) -> bool:
        """Success is 2xx and nothing else; a redirect is a failure."""
        return self.response_status is not None and 200 <= self.response_status < 300  # noqa: PLR2004


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOutcome:
    """A decided attempt, ready to be recorded. `due_in_seconds` is set when there will be another one."""

    delivery: ClaimedDelivery
    result: AttemptResult
    status: DeliveryStatus
    due_in_seconds: float | None
    request_headers: Mapping[str, str]
    """As they were sent, but for the values of the merchant's own."""


def decide_outcome(
    delivery: ClaimedDelivery,
    result: AttemptResult,
    *,
    intervals: Sequence[float],
    chance: float,
    request_headers: Mapping[str, str] = NO_HEADERS,
) -> DeliveryOutcome:
    """Delivered, to be tried again, or given up and kept. `intervals` are those of the endpoint's schedule."""
    due_in_seconds = None
    if not result.delivered:
        due_in_seconds = next_attempt_in_seconds(
            intervals,
            attempts=delivery.attempts + 1 - delivery.schedule_from,
            chance=chance,
            retry_after_seconds=result.retry_after_seconds,
        )
    status = DeliveryStatus.FAILED if due_in_seconds is None else DeliveryStatus.PENDING
    return DeliveryOutcome(
        delivery=delivery,
        result=result,
        status=DeliveryStatus.DELIVERED if result.delivered else status,
        due_in_seconds=due_in_seconds,
        request_headers=request_headers,
    )

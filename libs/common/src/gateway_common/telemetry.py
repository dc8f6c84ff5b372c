"""Prometheus metrics and the trace context. No label is ever a merchant, an endpoint or a payment id."""

import re
import secrets
from functools import lru_cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 7.5, 10, 15, 20, 30)

HTTP_REQUESTS = Counter("gateway_http_requests", "HTTP requests answered.", ["route", "method", "status"])
HTTP_SECONDS = Histogram(
    "gateway_http_request_duration_seconds", "Time to answer.", ["route", "method"], buckets=_SECONDS
)
RATE_LIMIT_CHECKS = Counter(
    "gateway_rate_limit_checks", "Requests by whose bucket they took from, and the outcome.", ["bucket", "outcome"]
)
RINGS = Counter("gateway_queue_rings", "Doorbell messages by outcome.", ["queue", "outcome"])
QUEUE_LAG = Gauge("gateway_queue_lag", "Doorbell messages that no worker has read.", ["queue"])
JOBS = Counter("gateway_jobs", "Jobs run by a worker, by operation and outcome.", ["operation", "outcome"])
JOB_SECONDS = Histogram("gateway_job_duration_seconds", "Time from claim to record.", ["operation"], buckets=_SECONDS)
PROVIDER_SECONDS = Histogram(
    "gateway_provider_call_duration_seconds",
    "Time until a provider answered, or its deadline passed.",
    ["provider", "operation", "outcome"],
    buckets=_SECONDS,
)
PROVIDER_UP = Gauge(
    "gateway_provider_up",
    "Whether this process's breaker lets calls to the provider through, by test and live mode.",
    ["provider", "mode"],
)
JOBS_RUNNING = Gauge("gateway_jobs_running", "Jobs this process is running.")
DUE = Gauge("gateway_due", "Rows that are due and that nobody holds.", ["queue"])
OLDEST_DUE_SECONDS = Gauge("gateway_oldest_due_age_seconds", "How late the oldest due row is.", ["queue"])
PAYMENTS_NEEDING_ATTENTION = Gauge("gateway_payments_needing_attention", "Payments that a person should look at.")
CALLBACKS = Counter(
    "gateway_provider_callbacks", "Callbacks of providers by what became of them.", ["provider", "outcome"]
)
LEASES_FREED = Counter("gateway_leases_freed", "Leases taken from workers that fell silent.", ["queue"])
WEBHOOK_ATTEMPTS = Counter(
    "gateway_webhook_attempts", "Webhook attempts by outcome, and why they failed.", ["outcome", "reason"]
)
WEBHOOK_ENDPOINTS = Counter("gateway_webhook_endpoints", "What the gateway did with endpoints by itself.", ["action"])
# Created is the sum of the statuses, at every moment. The window is a label so that a process whose turn it is not
# exports nothing.
DELIVERIES_EXPECTED = Gauge(
    "gateway_webhook_deliveries_expected", "Webhooks that there were to be, of the window's events.", ["window"]
)
DELIVERIES = Gauge("gateway_webhook_deliveries", "Those webhooks by their status.", ["status", "window"])
DELIVERIES_STOPPED = Gauge(
    "gateway_webhook_deliveries_stopped", "Webhooks of any age that are held or exhausted, 100,000 at most.", ["status"]
)
OVERLOOKED = Counter("gateway_webhook_overlooked", "Endpoints whose due webhooks nobody would have found. None.")
WEBHOOK_SECONDS = Histogram(
    "gateway_webhook_attempt_duration_seconds", "One attempt, DNS to response.", buckets=_SECONDS
)
AUDIT_FINDINGS = Gauge("gateway_audit_findings", "Rows of the last day that break an invariant.", ["check"])
# Its label is there for the processes that do not audit: without a value of it they export nothing, not zero.
AUDIT_COMPLETED = Gauge(
    "gateway_audit_completed_timestamp_seconds", "When this process's last audit ended, as Unix time.", ["window"]
)

_METHODS: Final = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"})
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def parse_traceparent(header: str | None) -> str | None:
    """The W3C trace context a caller sent, or None if it is not one."""
    return header if header is not None and _TRACEPARENT.fullmatch(header) else None


def new_traceparent() -> str:
    """A new, unsampled trace context, so that the log lines of one payment share a trace id."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


def trace_id(traceparent: str | None) -> str | None:
    return traceparent[3:35] if traceparent else None


@lru_cache(maxsize=16)
def rate_limit_checks(bucket: str, outcome: str) -> Counter:
    """The counter of one kind of check, kept like those below."""
    return RATE_LIMIT_CHECKS.labels(bucket, outcome)


@lru_cache(maxsize=256)
def job_metrics(operation: str, outcome: str) -> tuple[Counter, Histogram]:
    """The counter and histogram of one kind of job, kept like those below."""
    return JOBS.labels(operation, outcome), JOB_SECONDS.labels(operation)


@lru_cache(maxsize=256)
def provider_seconds(provider: str, operation: str, outcome: str) -> Histogram:
    """The histogram of one kind of provider call, kept like those below."""
    return PROVIDER_SECONDS.labels(provider, operation, outcome)


@lru_cache(maxsize=1024)
def http_metrics(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    """The counter and histogram of one kind of answer. Kept, for finding them costs more than counting."""
    method = method if method in _METHODS else "other"
    return HTTP_REQUESTS.labels(route, method, status), HTTP_SECONDS.labels(route, method)

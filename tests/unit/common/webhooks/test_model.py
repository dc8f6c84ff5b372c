"""What becomes of a delivery after an attempt: delivered, tried again, or given up and kept."""

from typing import Any

import pytest
from tests.support.examples import NOW

from gateway_common.webhooks.model import (
    AttemptResult,
    ClaimedDelivery,
    DeliveryStatus,
    EndpointStatus,
    WebhookDelivery,
    WebhookEndpoint,
    decide_outcome,
    delivery_snapshot,
    endpoint_snapshot,
    seal_context,
)

INTERVALS = (60.0, 300.0)


def claimed(attempts: int = 0) -> ClaimedDelivery:
    return ClaimedDelivery(
        id="dlv_1",
        claim=1,
        attempts=attempts,
        event_id="evt_1",
        event_type="payment.success",
        body=b"{}",
        traceparent=None,
        endpoint_id="we_1",
        url="https://shop.example/hooks",
        sealed_secret=b"sealed",
    )


def result(**values: Any) -> AttemptResult:
    return AttemptResult(started_at=NOW, duration_ms=12, **values)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_delivered_and_owes_nothing_more(status: int) -> None:
    outcome = decide_outcome(claimed(), result(response_status=status), intervals=INTERVALS, chance=1)

    assert (outcome.status, outcome.due_in_seconds) == (DeliveryStatus.DELIVERED, None)


@pytest.mark.parametrize("status", [100, 199, 300, 301, 302, 304, 307, 308, 400, 401, 404, 410, 429, 500, 503, 599])
def test_any_other_status_is_tried_again(status: int) -> None:
    outcome = decide_outcome(claimed(), result(response_status=status), intervals=INTERVALS, chance=0)

    assert (outcome.status, outcome.due_in_seconds) == (DeliveryStatus.PENDING, 60)


def test_no_response_is_tried_again() -> None:
    outcome = decide_outcome(claimed(attempts=1), result(error="timeout"), intervals=INTERVALS, chance=0)

    assert (outcome.status, outcome.due_in_seconds) == (DeliveryStatus.PENDING, 300)


def test_after_the_last_interval_it_is_given_up_and_kept() -> None:
    outcome = decide_outcome(claimed(attempts=2), result(response_status=500), intervals=INTERVALS, chance=0)

    assert (outcome.status, outcome.due_in_seconds) == (DeliveryStatus.FAILED, None)
    assert outcome.result.response_status == 500


def test_a_success_at_the_last_attempt_counts() -> None:
    outcome = decide_outcome(claimed(attempts=2), result(response_status=200), intervals=INTERVALS, chance=0)

    assert outcome.status is DeliveryStatus.DELIVERED


def test_a_receivers_retry_after_is_honoured() -> None:
    outcome = decide_outcome(
        claimed(), result(response_status=429, retry_after_seconds=120), intervals=INTERVALS, chance=0
    )

    assert outcome.due_in_seconds == 120


def test_without_any_interval_there_is_one_attempt() -> None:
    outcome = decide_outcome(claimed(), result(response_status=500), intervals=(), chance=0)

    assert outcome.status is DeliveryStatus.FAILED


def test_a_sealed_secret_is_bound_to_its_endpoint() -> None:
    assert seal_context("we_1") != seal_context("we_2")


def test_the_endpoint_is_shown_without_its_secret() -> None:
    endpoint = WebhookEndpoint(
        id="we_1",
        merchant_id="mer_test",
        livemode=False,
        url="https://shop.example/hooks",
        description=None,
        event_types=["payment.success"],
        status=EndpointStatus.ENABLED,
        sealed_secret=b"sealed",
        created_at=NOW,
        updated_at=NOW,
    )

    assert endpoint_snapshot(endpoint) == {
        "id": "we_1",
        "object": "webhook_endpoint",
        "url": "https://shop.example/hooks",
        "description": None,
        "event_types": ["payment.success"],
        "status": "enabled",
        "livemode": False,
        "created_at": "2026-11-23T14:05:06.789Z",
        "updated_at": "2026-11-23T14:05:06.789Z",
    }


@pytest.mark.parametrize(("due_at", "shown"), [(NOW, "2026-11-23T14:05:06.789Z"), (None, None)])
def test_the_delivery_is_shown_with_when_it_is_next_tried(due_at: Any, shown: str | None) -> None:
    delivery = WebhookDelivery(
        id="dlv_1",
        event_id="evt_1",
        event_type="payment.success",
        endpoint_id="we_1",
        url="https://shop.example/hooks",
        livemode=False,
        status=DeliveryStatus.PENDING,
        attempts=1,
        due_at=due_at,
        last_response_status=500,
        last_error=None,
        created_at=NOW,
        updated_at=NOW,
    )

    snapshot = delivery_snapshot(delivery)

    assert snapshot["due_at"] == shown
    assert snapshot.keys() == {
        "id", "object", "event_id", "event_type", "endpoint_id", "url", "status", "attempts", "due_at",
        "last_response_status", "last_error", "livemode", "created_at", "updated_at",
    }  # fmt: skip

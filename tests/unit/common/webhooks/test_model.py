"""Endpoints and deliveries as the API shows them."""

from typing import Any

import pytest
from tests.support.examples import NOW

from gateway_common.webhooks.model import (
    DeliveryStatus,
    EndpointStatus,
    WebhookDelivery,
    WebhookEndpoint,
    delivery_snapshot,
    endpoint_snapshot,
    seal_context,
)


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
        "disabled_reason": None,
        "timeout_seconds": None,
        "max_in_flight": None,
        "rate_limit_per_second": None,
        "header_names": [],
        "retry_tail": False,
        "auto_recover": True,
        "old_secret_expires_at": None,
        "livemode": False,
        "version": 1,
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
        "last_response_status", "last_error", "replay_id", "livemode", "created_at", "updated_at",
    }  # fmt: skip

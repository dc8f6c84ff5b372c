"""What happens next with a webhook that has not arrived, for every state of it and of its endpoint."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.examples import NOW

from gateway_common.timeline.webhooks import WaitingDelivery, next_attempt_at, waiting_words
from gateway_common.webhooks.model import DeliveryStatus, DisabledReason, EndpointStatus

MINUTE = timedelta(minutes=1)
HELD: dict[str, Any] = {"status": DeliveryStatus.HELD, "due_at": None}
AGAIN = "It is sent once you enable the endpoint again."


def delivery(**changes: Any) -> WaitingDelivery:
    values: dict[str, Any] = {
        "delivery_id": "dlv_1",
        "endpoint_id": "we_1",
        "event_type": "payment.success",
        "status": DeliveryStatus.PENDING,
        "attempts": 0,
        "due_at": NOW,
        "is_leased": False,
        "endpoint_status": EndpointStatus.ENABLED,
        "disabled_reason": None,
        "blocked_until": None,
        "asked_at": NOW,
    }
    return WaitingDelivery(**values | changes)


@pytest.mark.parametrize(
    ("changes", "words", "at"),
    [
        ({}, "It is sent.", NOW),
        ({"attempts": 2, "due_at": NOW + MINUTE}, "It is tried again.", NOW + MINUTE),
        ({"is_leased": True}, "An attempt is under way.", None),
        (
            {"blocked_until": NOW + MINUTE},
            "The endpoint keeps failing, so nothing is sent to it before this time. No attempt is lost by that.",
            NOW + MINUTE,
        ),
        (
            {"attempts": 1, "due_at": NOW + 5 * MINUTE, "blocked_until": NOW + MINUTE},
            "It is tried again.",
            NOW + 5 * MINUTE,
        ),
        ({"attempts": 1, "blocked_until": NOW - MINUTE}, "It is tried again.", NOW),
        ({"attempts": 1, "blocked_until": NOW + MINUTE, "is_leased": True}, "An attempt is under way.", None),
        (HELD | {"endpoint_status": EndpointStatus.PAUSED}, f"Held: the endpoint is paused. {AGAIN}", None),
        ({"endpoint_status": EndpointStatus.PAUSED}, f"Held: the endpoint is paused. {AGAIN}", None),
        (
            HELD | {"endpoint_status": EndpointStatus.DISABLED, "disabled_reason": DisabledReason.GONE},
            f"Held: the endpoint answered 410 and was disabled. {AGAIN}",
            None,
        ),
        (
            HELD | {"endpoint_status": EndpointStatus.DISABLED, "disabled_reason": DisabledReason.FAILING},
            f"Held: the endpoint answered nothing but failures for five days and was disabled. {AGAIN}",
            None,
        ),
        (HELD, "It was held and is about to be sent: the endpoint is enabled again.", None),
        (
            {"endpoint_status": EndpointStatus.DELETED},
            "It is about to be cancelled: the endpoint was deleted.",
            None,
        ),
    ],
)
def test_what_it_waits_for_and_until_when(changes: dict[str, Any], words: str, at: datetime | None) -> None:
    waiting = delivery(**changes)

    assert waiting_words(waiting) == words
    assert next_attempt_at(waiting) == at

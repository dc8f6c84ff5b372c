"""What becomes of a delivery after an attempt: delivered, tried again, or given up and kept."""

from typing import Any

import pytest
from tests.support.examples import NOW

from gateway_common.webhooks.model import ClaimedDelivery, DeliveryStatus
from gateway_common.webhooks.outcome import AttemptResult, decide_outcome

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

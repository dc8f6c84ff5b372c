"""The main story on the stack as anybody starts it, default delays and all: pay, capture, refund a part."""

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

from tests.support.measuring import Measure
from tests.support.patience import wait_until
from tests.support.stack import LiveStack

SUCCESS_WITHIN_SECONDS = 11.0
LOGIN = {"X-Api-Key": "key_test_abc123", "X-Api-Secret": "secret_test_xyz789"}
JSON = {"Content-Type": "application/json"}
PAYMENT = '{"amount": 50000, "currency": "INR", "method": "upi", "order_id": "ord_test_001", "vpa": "test@upi"}'
REFUND = '{ "amount": 1000, "reason": "Customer requested" }'


def curl(stack: LiveStack, method: str, path: str, headers: dict[str, str], body: str = "") -> tuple[int, Any]:
    """Send just what curl would: a POST without a body has no Content-Length."""
    connection = http.client.HTTPConnection(urlsplit(stack.api_url).netloc, timeout=10)
    connection.putrequest(method, path)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body.encode() or None)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


def test_a_payment_succeeds_within_eleven_seconds_is_captured_and_partly_refunded(
    stack: LiveStack, measure: Measure
) -> None:
    started = time.monotonic()
    status, payment = curl(stack, "POST", "/api/v1/payments", LOGIN | JSON, PAYMENT)
    answered_in = time.monotonic() - started
    assert (status, payment["status"], payment["captured"]) == (201, "pending", False)
    assert payment["order_id"] == "ord_test_001"
    assert answered_in < 1

    path = f"/api/v1/payments/{payment['id']}"
    wait_until(
        lambda: curl(stack, "GET", path, LOGIN)[1]["status"] == "success",
        "the payment is a success",
        timeout_seconds=SUCCESS_WITHIN_SECONDS - (time.monotonic() - started),
    )
    succeeded_in = time.monotonic() - started

    status, captured = curl(stack, "POST", f"{path}/capture", LOGIN)
    assert (status, captured["captured"], captured["amount_captured"]) == (200, True, 50000)

    refund_started = time.monotonic()
    status, refund = curl(stack, "POST", f"{path}/refunds", LOGIN | JSON, REFUND)
    assert (status, refund["status"], refund["amount"]) == (201, "pending", 1000)
    assert refund["reason"] == "Customer requested"

    refund_path = f"/api/v1/refunds/{refund['id']}"
    wait_until(lambda: curl(stack, "GET", refund_path, LOGIN)[1]["status"] == "processed", "the refund is processed")
    measure(
        f"201 after {answered_in * 1000:.0f} ms, success after {succeeded_in:.1f} s, capture and refund done"
        f" {time.monotonic() - refund_started:.1f} s after the refund was asked for"
    )
    status, final = curl(stack, "GET", path, LOGIN)
    assert (final["capture_status"], final["amount_refunded"]) == ("completed", 1000)


def test_the_jobs_status_counts_what_was_done_and_says_that_a_worker_runs(stack: LiveStack) -> None:
    status, jobs = curl(stack, "GET", "/api/v1/test/jobs/status", {})

    assert status == 200
    assert jobs["worker_status"] == "running"
    assert {"pending", "processing", "completed", "failed", "queues"} <= jobs.keys()
    assert jobs["failed"] == 0

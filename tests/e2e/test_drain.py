"""SIGTERM for a busy processor: what runs is finished, what has not begun stays, and nobody's work is done twice."""

import time

import httpx
from tests.support.http_merchant import create_payments
from tests.support.measuring import Measure
from tests.support.payment_rows import Rows
from tests.support.stack import LiveStack

STACK_ENVIRONMENT = {
    "PROCESSING_DELAY_MIN_MS": "2000",
    "PROCESSING_DELAY_MAX_MS": "3000",
    "PROCESSOR_CONCURRENCY": "50",
}
STACK_WITHOUT = ("dashboard", "sdk", "webhook-dispatcher")
DELAY_SECONDS = 3.0
NOISE_SECONDS = 5.0


def test_a_processor_told_to_stop_finishes_its_jobs_and_leaves_the_rest_to_the_next(
    stack: LiveStack, merchant: httpx.Client, rows: Rows, measure: Measure
) -> None:
    payment_ids = create_payments(merchant, 200)
    wait_until_busy(rows, payment_ids)

    told = time.monotonic()
    status = stack.stop("processor")
    drained_in = time.monotonic() - told

    assert status == 0
    statuses = rows.statuses(payment_ids)
    assert statuses.keys() == {"success", "pending"}
    assert rows.count("worker_id IS NULL AND leased_at IS NULL", payment_ids) == 200
    assert rows.count("status = 'success' AND attempt = 1", payment_ids) == statuses["success"]
    assert rows.count("status = 'pending' AND attempt = 0", payment_ids) == statuses["pending"]
    assert rows.read("SELECT count(*) FROM workers WHERE service = 'processor'") == [(0,)]
    assert drained_in < DELAY_SECONDS + NOISE_SECONDS

    stack.start("processor")
    started = time.monotonic()
    rows.wait_for_count("status = 'success'", payment_ids, timeout_seconds=40)
    measure(
        f"drained in {drained_in:.1f} s with {statuses['success']} done and {statuses['pending']} left,"
        f" which the next one did in {time.monotonic() - started:.1f} s"
    )
    assert rows.count("attempt = 1", payment_ids) == 200
    rows.assert_nothing_was_lost(payment_ids)


def wait_until_busy(rows: Rows, payment_ids: list[str]) -> None:
    while rows.count("worker_id IS NOT NULL", payment_ids) < 50:
        time.sleep(0.01)

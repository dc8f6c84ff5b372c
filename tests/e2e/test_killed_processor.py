"""Item one of "nothing lost": the processor is killed while it holds two hundred payments, and another one resumes.

The provider takes longer than a dead worker's lease lasts, so that being taken up and being resolved are two moments.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
from tests.support.http_merchant import create_payments
from tests.support.measuring import Measure
from tests.support.payment_rows import Rows
from tests.support.stack import LiveStack

STACK_ENVIRONMENT = {"PROCESSING_DELAY_MIN_MS": "13000", "PROCESSING_DELAY_MAX_MS": "14000"}
STACK_WITHOUT = ("dashboard", "sdk", "webhook-dispatcher")
DELAY_SECONDS = 14.0
TAKEN_UP_WITHIN_SECONDS = 20.0
NOISE_SECONDS = 5.0


def test_two_hundred_payments_of_a_killed_processor_are_taken_up_and_resolved_once(
    stack: LiveStack, merchant: httpx.Client, rows: Rows, measure: Measure
) -> None:
    payment_ids = create_payments(merchant, 200)
    rows.wait_for_count("worker_id IS NOT NULL", payment_ids, timeout_seconds=10)
    [(dead_worker,)] = rows.read("SELECT DISTINCT worker_id FROM payments WHERE worker_id IS NOT NULL")

    stack.kill("processor")
    killed = time.monotonic()
    assert rows.statuses(payment_ids) == {"processing": 200}
    waiting_ids = create_payments(merchant, 20)
    stack.start("processor")
    started = time.monotonic()

    rows.wait_for_count("attempt > 0", waiting_ids, timeout_seconds=NOISE_SECONDS)
    waiting_taken_in = time.monotonic() - started
    rows.wait_for_count("attempt > 1", payment_ids, timeout_seconds=TAKEN_UP_WITHIN_SECONDS)
    taken_up = time.monotonic()
    rows.wait_for_count("status = 'success'", payment_ids, timeout_seconds=DELAY_SECONDS + NOISE_SECONDS)
    resolved = time.monotonic()
    rows.wait_for_count("status = 'success'", waiting_ids, timeout_seconds=DELAY_SECONDS + NOISE_SECONDS)

    measure(
        f"new processor {started - killed:.1f} s after the kill; from then: 20 that had waited taken in"
        f" {waiting_taken_in:.1f} s, 200 held by the dead one taken up in {taken_up - started:.1f} s,"
        f" resolved in {resolved - started:.1f} s"
    )
    assert rows.read("SELECT count(*) FROM payments WHERE worker_id = %s", dead_worker) == [(0,)]
    rows.assert_nothing_was_lost(payment_ids + waiting_ids)


def test_payments_survive_a_processor_that_is_killed_while_they_come_in(
    stack: LiveStack, merchant: httpx.Client, rows: Rows, measure: Measure
) -> None:
    with ThreadPoolExecutor(1) as pool:
        creating = pool.submit(create_payments, merchant, 200)
        wait_until_busy(rows)
        stack.kill("processor")
        killed = time.monotonic()
        payment_ids = creating.result()
    stack.start("processor")
    started = time.monotonic()

    unclaimed = rows.count("attempt = 0", payment_ids)
    rows.wait_for_count("status = 'success'", payment_ids, timeout_seconds=TAKEN_UP_WITHIN_SECONDS + DELAY_SECONDS)

    measure(
        f"{unclaimed} of 200 not yet claimed when a new processor came {started - killed:.1f} s after the kill;"
        f" all resolved in {time.monotonic() - started:.1f} s"
    )
    rows.assert_nothing_was_lost(payment_ids)


def wait_until_busy(rows: Rows) -> None:
    """Return while claims are being made, not when all are."""
    while rows.read("SELECT count(*) >= 60 FROM payments WHERE worker_id IS NOT NULL") == [(False,)]:
        time.sleep(0.005)

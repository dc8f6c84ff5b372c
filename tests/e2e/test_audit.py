"""What the services really write holds every check: orders, captures, refunds, voids and declines, then the audit."""

import os
import subprocess
import sys
from typing import Any

import httpx
from tests.support.http_merchant import create_payment
from tests.support.patience import wait_until
from tests.support.payment_rows import Rows
from tests.support.stack import LiveStack

from gateway_common.audit.model import CHECKS

STACK_ENVIRONMENT = {"PROCESSING_DELAY_MIN_MS": "50", "PROCESSING_DELAY_MAX_MS": "200"}
STACK_WITHOUT = ("dashboard", "sdk")
AT_WORK = """
SELECT (SELECT count(*) FROM payments WHERE status IN ('pending', 'processing') OR due_at <= now())
    + (SELECT count(*) FROM refunds WHERE status IN ('pending', 'processing'))
    + (SELECT count(*) FROM events WHERE sequence IS NULL)
"""
CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "123", "name": "A Customer"}


def call(merchant: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    response = merchant.post(path, json=body)
    assert response.status_code in {200, 201}, response.text
    answer: dict[str, Any] = response.json()
    return answer


def audit(stack: LiveStack) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway_cli", "audit"],
        env={**os.environ, "DATABASE_URL": stack.database_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_after_every_kind_of_story_all_checks_hold(stack: LiveStack, merchant: httpx.Client, rows: Rows) -> None:
    def rest() -> None:
        wait_until(lambda: rows.read(AT_WORK) == [(0,)], "all work is done", timeout_seconds=60)

    orders = [call(merchant, "/orders", amount=50_000, currency="INR")["id"] for _ in range(3)]
    captured = [create_payment(merchant, order_id=order) for order in orders[:2]]
    card = call(merchant, "/payments", amount=50_000, currency="INR", method="card", card=CARD)["id"]
    create_payment(merchant, order_id=orders[2], vpa="failure@upi")
    create_payment(merchant, vpa="expired@upi")
    authorized, voided = create_payment(merchant), create_payment(merchant)
    rest()
    for payment in (*captured, card):
        call(merchant, f"/payments/{payment}/capture")
    call(merchant, f"/payments/{authorized}/capture", amount=30_000)
    call(merchant, f"/payments/{voided}/cancel")
    rest()
    for amount in (1_000, 2_013, 4_000):  # An amount that ends in 13 is one the simulator does not pay back.
        call(merchant, f"/payments/{captured[0]}/refunds", amount=amount)
    call(merchant, f"/payments/{card}/refunds")
    create_payment(merchant, order_id=orders[2])
    done = audit(stack)
    assert done.returncode == 0, done.stdout + done.stderr  # Also of what is still under way.
    rest()

    done = audit(stack)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"All {len(CHECKS)} checks hold (8 payments, 4 refunds, 3 orders in ")
    assert rows.read("SELECT count(DISTINCT kind) FROM ledger_entries") == [(4,)]

"""How payments, refunds and deliveries read on the pages."""

from typing import Any

import pytest

from gateway_dashboard.moments import parse_moment
from gateway_dashboard.payments.views import payment_view, refund_view
from gateway_dashboard.webhooks.views import delivery_view, endpoint_view

PAYMENT: dict[str, Any] = {
    "id": "pay_1", "order_id": "ord_1", "amount": 50000, "currency": "INR", "method": "upi", "vpa": "asha@upi",
    "card": None, "bank": None, "wallet": None,
    "status": "success", "capture_status": None, "amount_captured": 0, "amount_refunded": 0, "error": None,
    "description": None, "metadata": {},
    "created_at": "2026-11-23T13:30:15.947Z", "updated_at": "2026-11-23T13:30:20.000Z",
}  # fmt: skip
DELIVERY: dict[str, Any] = {
    "id": "dlv_1", "event_id": "evt_1", "event_type": "payment.success", "url": "https://shop.example/hooks",
    "status": "pending", "attempts": 0, "due_at": "2026-11-23T13:31:00.000Z", "last_response_status": None,
    "last_error": None, "created_at": "2026-11-23T13:30:15.947Z",
}  # fmt: skip


def test_a_time_says_its_zone() -> None:
    moment = parse_moment("2026-11-03T09:05:07.123Z")

    assert moment.text == "3 Nov 2026, 09:05:07 UTC"
    assert moment.iso == "2026-11-03T09:05:07.123Z"


def test_a_payment_is_put_in_words() -> None:
    view = payment_view(PAYMENT)

    assert (view.amount, view.method, view.payer) == ("500.00 INR", "UPI", "asha@upi")
    assert view.refunded is None
    assert view.error is None


def test_a_card_is_shown_by_its_last_digits_and_a_bank_by_its_name() -> None:
    card = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}
    by_card = payment_view(PAYMENT | {"method": "card", "vpa": None, "card": card})
    by_bank = payment_view(PAYMENT | {"method": "netbanking", "vpa": None, "bank": "hdfc"})

    assert (by_card.method, by_card.payer) == ("Card", "visa •••• 4242")
    assert (by_bank.method, by_bank.payer) == ("Net banking", "hdfc")


@pytest.mark.parametrize(
    ("status", "capture_status", "captured", "words"),
    [
        ("pending", None, 0, "Not captured"),
        ("success", None, 0, "Authorized, not captured"),
        ("success", "pending", 50000, "Capturing 500.00 INR"),
        ("success", "completed", 20000, "Captured 200.00 INR"),
        ("success", "failed", 0, "Capture failed"),
    ],
)
def test_it_is_said_where_the_money_is(status: str, capture_status: str | None, captured: int, words: str) -> None:
    payment = PAYMENT | {"status": status, "capture_status": capture_status, "amount_captured": captured}

    assert payment_view(payment).capture == words


def test_a_failure_names_its_reason_and_code() -> None:
    failed = payment_view(PAYMENT | {"error": {"code": "payment_declined", "message": "The bank said no."}})

    assert failed.error == "The bank said no. (payment_declined)"


def test_a_refund_is_put_in_words() -> None:
    refund = {"id": "rfnd_1", "amount": 1000, "currency": "INR", "status": "processed", "reason": "Late", "error": None}
    view = refund_view(refund | {"created_at": PAYMENT["created_at"]})

    assert (view.amount, view.reason, view.status) == ("10.00 INR", "Late", "processed")


@pytest.mark.parametrize(
    ("answered", "trouble", "words"),
    [(None, None, "Not sent yet"), (200, None, "Answered 200"), (500, "It answered 500.", "It answered 500.")],
)
def test_a_delivery_says_how_its_last_attempt_went(answered: int | None, trouble: str | None, words: str) -> None:
    view = delivery_view(DELIVERY | {"last_response_status": answered, "last_error": trouble})

    assert view.outcome == words


def test_only_a_pending_delivery_has_a_next_attempt() -> None:
    waiting = delivery_view(DELIVERY)
    done = delivery_view(DELIVERY | {"status": "delivered"})

    assert waiting.next_attempt is not None
    assert done.next_attempt is None


@pytest.mark.parametrize(
    ("event_types", "words"),
    [(None, "All events"), (["*"], "All events"), (["payment.success", "ping"], "payment.success, ping")],
)
def test_an_endpoint_says_which_events_it_gets(event_types: list[str] | None, words: str) -> None:
    endpoint = {
        "id": "we_1", "url": "https://shop.example", "description": None, "status": "enabled",
        "event_types": event_types, "created_at": PAYMENT["created_at"],
    }  # fmt: skip

    assert endpoint_view(endpoint).events == words

"""Catching up with events on the real stack: the dispatcher's process numbers them, whoever was away meanwhile."""

import time
from typing import Any

import httpx
from tests.support.http_merchant import create_payment, create_payments
from tests.support.measuring import Measure
from tests.support.patience import wait_until
from tests.support.payment_rows import STORY
from tests.support.stack import LiveStack

STACK_ENVIRONMENT = {"PROCESSING_DELAY_MIN_MS": "0", "PROCESSING_DELAY_MAX_MS": "0"}
STACK_WITHOUT = ("dashboard", "sdk")
SHOWN_WITHIN_SECONDS = 5.0


def catch_up(merchant: httpx.Client, last: int = 0) -> list[dict[str, Any]]:
    """All events behind a number, as a merchant reads them who keeps the last one it has handled."""
    read: list[dict[str, Any]] = []
    while True:
        after = read[-1]["sequence"] if read else last
        page = merchant.get("/events", params={"after_sequence": after, "limit": 100}).raise_for_status().json()
        read += page["data"]
        if not page["has_more"]:
            return read


def types_of(events: list[dict[str, Any]], payment_id: str) -> tuple[str, ...]:
    return tuple(event["type"] for event in events if event["data"]["payment"]["id"] == payment_id)


def test_an_event_has_its_number_within_seconds_of_its_change(
    stack: LiveStack, merchant: httpx.Client, measure: Measure
) -> None:
    started = time.monotonic()
    payment_id = create_payment(merchant)

    wait_until(
        lambda: types_of(catch_up(merchant), payment_id)[:1] == ("payment.created",),
        "the payment's first event is listed",
        timeout_seconds=SHOWN_WITHIN_SECONDS,
    )
    measure(f"listed {time.monotonic() - started:.2f} s after the request")

    wait_until(lambda: types_of(catch_up(merchant), payment_id) == STORY, "its whole story is listed, in order")
    event = catch_up(merchant)[0]
    assert merchant.get(f"/events/{event['id']}").json() == event
    assert "Traceback" not in stack.log("webhook-dispatcher")


def test_what_happened_while_the_dispatcher_was_dead_is_numbered_when_it_is_back_without_a_gap(
    stack: LiveStack, merchant: httpx.Client
) -> None:
    before = catch_up(merchant)
    stack.kill("webhook-dispatcher")
    payment_ids = create_payments(merchant, 30)
    last = before[-1]["sequence"] if before else 0

    stack.start("webhook-dispatcher")
    wait_until(lambda: len(catch_up(merchant, last)) >= len(payment_ids) * len(STORY), "all their events have numbers")

    everything = catch_up(merchant)
    assert [event["sequence"] for event in everything] == list(range(1, len(everything) + 1))
    assert {types_of(everything, payment_id) for payment_id in payment_ids} == {STORY}

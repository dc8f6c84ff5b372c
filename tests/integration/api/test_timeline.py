"""A payment's timeline over HTTP through its whole life: what happened in order, what is next, which webhooks wait."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from tests.support.api import Api, expect, expect_error
from tests.support.dispatchers import Running, start_dispatcher
from tests.support.doorbell import bell
from tests.support.examples import NOW
from tests.support.merchants import Merchant
from tests.support.processing import Process, new_processor
from tests.support.providers import ScriptedProvider
from tests.support.receiver import Receiver, answering, running_receiver
from tests.support.records import read_rows, store_order, write_rows
from tests.support.waiting import wait_until

from gateway_api.timeline.schemas import TimelineBody
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.queue.messages import WEBHOOKS_STREAM
from gateway_common.queue.ringer import Ringer
from gateway_processor.providers.base import Approved, Declined

PAYMENTS: Final = "/api/v1/payments"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running


async def timeline(api: Api, payment_id: str) -> dict[str, Any]:
    told: dict[str, Any] = expect(200, await api.client.get(f"{PAYMENTS}/{payment_id}/timeline"))
    assert (told["object"], told["payment_id"], told["has_more"]) == ("timeline", payment_id, False)
    described = TimelineBody.model_validate(told)
    assert [set(type(entry).model_fields) for entry in described.entries] == [set(entry) for entry in told["entries"]]
    moments = [entry["at"] for entry in told["entries"]]
    assert moments == sorted(moments)
    return told


def summaries(told: dict[str, Any], *kinds: str) -> list[str]:
    return [entry["summary"] for entry in told["entries"] if not kinds or entry["kind"] in kinds]


async def test_a_new_payment_waits_for_a_processor(api: Api) -> None:
    payment = await api.create()

    told = await timeline(api, payment["id"])

    assert told["status"] == "pending"
    assert summaries(told) == ["payment.created"]
    at = told["next"].pop("at")
    assert at is not None
    assert told["next"] == {
        "what": "A processor asks the provider to authorize the payment.",
        "waiting_for": "processor",
    }
    assert told["webhooks_waiting"] == []


async def test_a_whole_life_is_told_in_order_with_answers_money_and_what_is_next(api: Api, process: Process) -> None:
    order = expect(201, await api.client.post("/api/v1/orders", json={"amount": 50_000, "currency": "INR"}))
    payment_id = (await api.create(order_id=order["id"]))["id"]
    await process(payment_id)
    assert (await timeline(api, payment_id))["next"]["waiting_for"] == "merchant"
    expect(200, await api.client.post(f"{PAYMENTS}/{payment_id}/capture", json={"amount": 30_050}))
    assert (await timeline(api, payment_id))["next"]["waiting_for"] == "processor"
    await process(payment_id)
    refund = expect(201, await api.client.post(f"{PAYMENTS}/{payment_id}/refunds", json={"amount": 1_000}))
    await process(payment_id)

    told = await timeline(api, payment_id)

    assert summaries(told, "event", "provider_answer") == [
        "payment.created",
        "payment.processing",
        "simulator on authorize: approved",
        "payment.success",
        "order.paid",
        "simulator on capture: approved",
        "payment.captured",
        "refund.created",
        "simulator on refund: approved",
        "refund.processed",
    ]
    assert sorted(summaries(told, "ledger_entry")) == sorted([
        "provider_clearing -300.50 INR (capture)",
        "merchant_balance 300.50 INR (capture)",
        "merchant_balance -10.00 INR (refund_hold)",
        "refund_hold 10.00 INR (refund_hold)",
        "refund_hold -10.00 INR (refund)",
        "provider_clearing 10.00 INR (refund)",
    ])  # fmt: skip
    assert told["next"] == {
        "what": "Nothing: the payment is captured. 290.50 INR can be refunded.",
        "waiting_for": "nobody",
        "at": None,
    }
    answers = {entry["operation"]: entry for entry in told["entries"] if entry["kind"] == "provider_answer"}
    assert (answers["refund"]["refund_id"], answers["refund"]["attempt"]) == (refund["id"], 3)
    assert answers["authorize"]["milliseconds"] >= 30


async def test_a_declined_payment_says_why_and_that_nothing_is_next(api: Api, process: Process) -> None:
    payment_id = (await api.create(vpa="insufficient@upi"))["id"]
    await process(payment_id)

    told = await timeline(api, payment_id)

    assert "simulator on authorize: declined (insufficient_funds)" in summaries(told, "provider_answer")
    assert told["next"]["what"] == "Nothing: the payment failed. A new payment may be made."


async def test_what_happened_in_one_moment_is_told_in_the_order_in_which_it_was_recorded(
    api: Api, database: Database, redis_url: str, keyring: Keyring
) -> None:
    """With a clock that stands still all times are equal."""
    async with bell(redis_url) as payments, bell(redis_url, WEBHOOKS_STREAM) as webhooks:
        ringer = Ringer(payments, webhooks)
        merchant = Merchant(database, keyring, ringer, clock=lambda: NOW)
        refused = Declined("capture_declined", "No.")
        provider = ScriptedProvider(*(Approved(), refused, Approved()) * 4)
        processor = new_processor(database, ringer, provider, clock=lambda: NOW)
        told = []
        for _ in range(4):
            order = await store_order(database)
            payment_id = await merchant.create(order_id=order.id)
            await processor.process(payment_id)
            await merchant.capture(payment_id)
            await merchant.refund(payment_id, 100)
            await processor.process(payment_id)
            await merchant.cancel(payment_id)
            await processor.process(payment_id)
            told.append(summaries(await timeline(api, payment_id), "event"))

    assert told == [
        [
            "payment.created",
            "payment.processing",
            "payment.success",
            "order.paid",
            "refund.created",
            "payment.capture_failed",
            "refund.failed",
            "payment.cancelled",
        ]
    ] * 4  # fmt: skip


async def test_of_its_order_only_what_happened_by_this_payment_is_told(api: Api, process: Process) -> None:
    order = expect(201, await api.client.post("/api/v1/orders", json={"amount": 50_000, "currency": "INR"}))
    first = (await api.create(order_id=order["id"]))["id"]
    await process(first)
    expect(200, await api.client.post(f"{PAYMENTS}/{first}/cancel"))
    second = (await api.create(order_id=order["id"]))["id"]
    await process(second)

    for payment_id in (first, second):
        paid = [entry for entry in (await timeline(api, payment_id))["entries"] if entry["summary"] == "order.paid"]
        assert len(paid) == 1
    events = await read_rows(api.database, "SELECT id FROM events WHERE type = 'order.paid'")
    assert len(events) == 2


async def test_a_void_that_was_refused_is_supports_matter(api: Api, redis_url: str) -> None:
    payment_id = await api.create_authorized()
    expect(200, await api.client.post(f"{PAYMENTS}/{payment_id}/cancel"))
    async with bell(redis_url) as payments, bell(redis_url, WEBHOOKS_STREAM) as webhooks:
        provider = ScriptedProvider(Declined("void_refused", "Too late."))
        await new_processor(api.database, Ringer(payments, webhooks), provider).process(payment_id)

    told = await timeline(api, payment_id)

    assert told["next"]["waiting_for"] == "support"
    assert summaries(told, "provider_answer") == ["simulator on void: declined (void_refused)"]


async def test_webhook_attempts_are_part_of_the_story_and_those_that_wait_are_listed(
    api: Api, database_url: str, keyring: Keyring, receiver: Receiver, process: Process
) -> None:
    url = receiver.answer("/hooks", answering(500, 200))
    endpoint = expect(201, await api.client.post("/api/v1/webhook-endpoints", json={"url": url}))["id"]
    payment_id = (await api.create())["id"]
    waiting = (await timeline(api, payment_id))["webhooks_waiting"]
    assert [(each["endpoint_id"], each["event_type"], each["attempts"]) for each in waiting] == [
        (endpoint, "payment.created", 0)
    ]

    started: list[Running] = []
    start_dispatcher(database_url, keyring, started, intervals_seconds=[3_600, 3_600])
    await wait_until(lambda: len(receiver.at("/hooks")) == 1)

    async def is_told() -> bool:
        return bool(summaries(await timeline(api, payment_id), "webhook_attempt"))

    await wait_until(is_told)
    await process(payment_id)
    for running in started:
        running.dispatcher.wake()

    async def two_arrived() -> bool:
        return len(summaries(await timeline(api, payment_id), "webhook_attempt")) == 3

    await wait_until(two_arrived)
    for running in started:
        await running.close()

    told = await timeline(api, payment_id)
    attempts = [entry for entry in told["entries"] if entry["kind"] == "webhook_attempt"]
    assert sorted(entry["summary"] for entry in attempts) == sorted([
        f"payment.created to {endpoint}, attempt 1: answered 500",
        f"payment.processing to {endpoint}, attempt 1: answered 200",
        f"payment.success to {endpoint}, attempt 1: answered 200",
    ])  # fmt: skip
    [waits] = told["webhooks_waiting"]
    assert (waits["event_type"], waits["attempts"], waits["endpoint_id"]) == ("payment.created", 1, endpoint)
    assert waits["delivery_id"] == next(entry["delivery_id"] for entry in attempts if entry["response_status"] == 500)


async def test_a_webhook_that_is_held_says_why_and_one_behind_an_open_breaker_until_when(api: Api) -> None:
    for status in ("paused", "enabled"):
        made = expect(201, await api.client.post("/api/v1/webhook-endpoints", json={"url": "https://shop.example/"}))
        await write_rows(
            api.database, "UPDATE webhook_endpoints SET status = :status WHERE id = :id", status=status, id=made["id"]
        )
    blocked = "UPDATE webhook_endpoint_health SET blocked_until = '2100-01-01T00:00:00Z' WHERE endpoint_id = :id"
    await write_rows(api.database, blocked, id=made["id"])
    payment_id = (await api.create())["id"]

    behind, held = (await timeline(api, payment_id))["webhooks_waiting"]

    assert (behind["status"], behind["at"]) == ("pending", "2100-01-01T00:00:00.000Z")
    assert behind["what"].startswith("The endpoint keeps failing, so nothing is sent to it before this time.")
    assert (held["status"], held["at"]) == ("held", None)
    assert held["what"] == "Held: the endpoint is paused. It is sent once you enable the endpoint again."


async def test_an_authorization_says_until_when_it_may_be_captured(api: Api, process: Process) -> None:
    payment_id = (await api.create())["id"]
    await process(payment_id)

    told = await timeline(api, payment_id)

    [row] = await read_rows(api.database, "SELECT authorization_expires_at AS at FROM payments")
    assert told["next"]["at"] == row["at"].isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def test_a_timeline_is_its_merchants_own(api: Api) -> None:
    payment_id = (await api.create())["id"]
    other = await api.add_key("key_test_other", "mer_other", "secret-of-the-other")
    live = await api.add_key("key_live_same", "mer_test", "secret-of-the-live")

    for headers in (other, live):
        response = await api.client.get(f"{PAYMENTS}/{payment_id}/timeline", headers=headers)
        expect_error(404, "not_found", response)
    expect_error(404, "not_found", await api.client.get(f"{PAYMENTS}/pay_unknown/timeline"))

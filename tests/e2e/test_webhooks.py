"""Webhooks of the real stack at real receivers: signatures Node and Standard Webhooks accept, retries, take-over."""

import json
import time

import httpx
from standardwebhooks import Webhook
from tests.support.http_merchant import create_endpoint, create_payment
from tests.support.measuring import Measure
from tests.support.node_receiver import Judged, running_node_receiver
from tests.support.patience import wait_until
from tests.support.payment_rows import Rows
from tests.support.receiver import Receiver, answering
from tests.support.stack import LiveStack

STACK_ENVIRONMENT = {
    "PROCESSING_DELAY_MIN_MS": "100",
    "PROCESSING_DELAY_MAX_MS": "300",
    "WEBHOOK_RETRY_INTERVALS_TEST": "true",
}
STACK_WITHOUT = ("dashboard", "sdk")
RETRY_SECONDS = 5.0
RETRY_LATEST_SECONDS = RETRY_SECONDS * 1.1
SWEEP_SECONDS = 0.5
NOISE_SECONDS = 1.5
TAKEN_OVER_WITHIN_SECONDS = 20.0
STORY = [
    "payment.captured",
    "payment.created",
    "payment.processing",
    "payment.success",
    "refund.created",
    "refund.processed",
]
AWKWARD = {
    "rupees": "₹ 500,00",
    "emoji 👩🏽‍🚀": "🚀 \U0001f1ee\U0001f1f3",
    "quotes": "\"double\" 'single' \\ back / slash </script>",
    "separators": "line\u2028paragraph\u2029next\u0085",
    "controls": "\t\n\r\b\f\x01\x1f\x7f",
    "__proto__": "constructor",
    "1e3": "not 1000",
    "01": "not a whole number",
    "-1": "nor is this",
    "astral": "\U0010ffff\ufeff\ufffe",
    "combining": "e\u0301 is not \u00e9",
}


def walk_through_story(merchant: httpx.Client, **fields: object) -> None:
    """Pay, capture and refund, each step as soon as the one before is done."""
    payment_id = create_payment(merchant, **fields)
    path = f"/payments/{payment_id}"
    wait_until(lambda: merchant.get(path).json()["status"] == "success", "the payment is a success")
    assert merchant.post(f"{path}/capture").status_code == 200
    refund = merchant.post(f"{path}/refunds", json={"amount": 1000, "metadata": AWKWARD}).json()
    wait_until(lambda: merchant.get(f"/refunds/{refund['id']}").json()["status"] == "processed", "it is refunded")


def event_type(webhook: Judged) -> str:
    found: str = json.loads(webhook.body)["type"]
    return found


def test_node_and_standard_webhooks_accept_every_webhook_of_a_story_in_any_script(merchant: httpx.Client) -> None:
    with running_node_receiver() as receiver:
        endpoint = create_endpoint(merchant, receiver.url)
        receiver.expect_secret(endpoint["secret"])

        walk_through_story(merchant, metadata=AWKWARD, description="“Chai” ☕ für zwei\u2028")
        wait_until(lambda: len(receiver.judged) >= len(STORY), "all webhooks have come")

        webhooks = receiver.judged
        assert sorted(map(event_type, webhooks)) == STORY
        assert [webhook.accepted for webhook in webhooks] == [True] * len(STORY)
        for webhook in webhooks:
            body = Webhook(endpoint["secret"]).verify(webhook.body, webhook.headers)
            [snapshot] = body["data"].values()
            assert snapshot["metadata"] == AWKWARD
            assert webhook.headers["webhook-id"] == body["id"]
            assert webhook.headers["x-webhook-event"] == body["type"]
        merchant.delete(f"/webhook-endpoints/{endpoint['id']}")


def test_node_refuses_a_body_that_was_changed_on_the_way(merchant: httpx.Client) -> None:
    with running_node_receiver() as receiver:
        endpoint = create_endpoint(merchant, receiver.url, "payment.created")
        receiver.expect_secret(endpoint["secret"])
        create_payment(merchant)
        wait_until(lambda: bool(receiver.judged), "the webhook has come")
        [webhook] = receiver.judged

        changed = webhook.body.replace(b'"amount":50000', b'"amount":1')
        headers = {"x-webhook-signature": webhook.headers["x-webhook-signature"]}
        answer = httpx.post(receiver.url, content=changed, headers=headers, trust_env=False)

        assert webhook.accepted
        assert answer.status_code == 401
        merchant.delete(f"/webhook-endpoints/{endpoint['id']}")


def test_an_endpoint_that_fails_twice_gets_its_third_attempt_with_gaps_of_five_seconds(
    merchant: httpx.Client, receiver: Receiver, measure: Measure
) -> None:
    url = receiver.answer("/shaky", answering(500, 500, 200))
    endpoint = create_endpoint(merchant, url, "payment.created")

    create_payment(merchant)
    wait_until(lambda: len(receiver.at("/shaky")) == 3, "three attempts have come")
    delivery = only_delivery(merchant, endpoint["id"], "delivered")

    first, second, third = receiver.at("/shaky")
    gaps = [second.at - first.at, third.at - second.at]
    measure(f"gaps of {gaps[0]:.2f} s and {gaps[1]:.2f} s")
    assert all(RETRY_SECONDS <= gap < RETRY_LATEST_SECONDS + SWEEP_SECONDS + NOISE_SECONDS for gap in gaps)
    assert [webhook.headers["x-webhook-attempt"] for webhook in (first, second, third)] == ["1", "2", "3"]
    assert first.body == second.body == third.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == third.headers["webhook-id"]
    assert (delivery["attempts"], delivery["last_response_status"], delivery["due_at"]) == (3, 200, None)
    merchant.delete(f"/webhook-endpoints/{endpoint['id']}")


def test_deliveries_of_a_killed_dispatcher_are_taken_over(
    stack: LiveStack, merchant: httpx.Client, receiver: Receiver, rows: Rows, measure: Measure
) -> None:
    url = receiver.answer("/held", answering(200, after_seconds=60))
    endpoint = create_endpoint(merchant, url, "payment.created")
    for _ in range(10):
        create_payment(merchant)
    wait_until(lambda: len(receiver.at("/held")) == 10, "ten deliveries are in flight")

    stack.kill("webhook-dispatcher")
    receiver.answer("/held", answering(200))
    stack.start("webhook-dispatcher")
    started = time.monotonic()
    query = "SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = %s AND status = 'delivered'"
    wait_until(
        lambda: rows.read(query, endpoint["id"]) == [(10,)],
        "all ten are delivered",
        timeout_seconds=TAKEN_OVER_WITHIN_SECONDS,
    )

    measure(
        f"10 deliveries of a killed dispatcher delivered {time.monotonic() - started:.1f} s after a new one was there"
    )
    ids = [webhook.headers["webhook-id"] for webhook in receiver.at("/held")]
    assert sorted(ids[:10]) == sorted(ids[10:])
    merchant.delete(f"/webhook-endpoints/{endpoint['id']}")


def test_a_dispatcher_that_is_told_to_stop_finishes_what_is_in_flight(
    stack: LiveStack, merchant: httpx.Client, receiver: Receiver, rows: Rows
) -> None:
    url = receiver.answer("/slow", answering(200, after_seconds=2))
    endpoint = create_endpoint(merchant, url, "payment.created")
    for _ in range(10):
        create_payment(merchant)
    wait_until(lambda: len(receiver.at("/slow")) == 10, "ten deliveries are in flight")

    status = stack.stop("webhook-dispatcher")

    assert status == 0
    assert rows.read("SELECT count(*) FROM webhook_deliveries WHERE worker_id IS NOT NULL") == [(0,)]
    query = "SELECT status, attempts, count(*) FROM webhook_deliveries WHERE endpoint_id = %s GROUP BY 1, 2"
    assert rows.read(query, endpoint["id"]) == [("delivered", 1, 10)]
    stack.start("webhook-dispatcher")
    merchant.delete(f"/webhook-endpoints/{endpoint['id']}")


def only_delivery(merchant: httpx.Client, endpoint_id: str, status: str) -> dict[str, object]:
    """The endpoint's one delivery as the API shows it, once it has the status."""

    def find() -> list[dict[str, object]]:
        listed = merchant.get("/webhook-deliveries", params={"limit": 100}).json()["data"]
        return [entry for entry in listed if entry["endpoint_id"] == endpoint_id and entry["status"] == status]

    wait_until(lambda: len(find()) == 1, f"the delivery is {status}")
    return find()[0]

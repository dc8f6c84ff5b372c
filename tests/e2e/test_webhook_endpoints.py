"""What a merchant does with a webhook endpoint while the real stack delivers to a real receiver."""

from collections.abc import Callable
from typing import Any

import httpx
from tests.support.http_merchant import create_endpoint, create_payment
from tests.support.patience import wait_until
from tests.support.receiver import Received, Receiver, answering
from tests.support.stack import LiveStack

from gateway_common.webhooks.signing import sign_body, sign_standard

STACK_ENVIRONMENT = {"WEBHOOK_RETRY_INTERVALS": "3600"}
STACK_WITHOUT = ("dashboard", "sdk", "processor")


def post(merchant: httpx.Client, path: str, **values: Any) -> dict[str, Any]:
    response = merchant.post(path, json=values or None)
    assert response.is_success, response.text
    found: dict[str, Any] = response.json()
    return found


def set_status(merchant: httpx.Client, endpoint_id: str, status: str) -> None:
    response = merchant.patch(f"/webhook-endpoints/{endpoint_id}", json={"status": status})
    assert response.status_code == 200, response.text


def statuses(merchant: httpx.Client, endpoint_id: str) -> list[str]:
    listed = merchant.get("/webhook-deliveries", params={"limit": 100, "endpoint_id": endpoint_id}).json()
    return [each["status"] for each in listed["data"]]


def arriving(merchant: httpx.Client, receiver: Receiver, path: str) -> Callable[[], Received]:
    """A function that lets an event happen and returns the webhook that tells of it."""

    def next_webhook() -> Received:
        before = len(receiver.at(path))
        create_payment(merchant)
        wait_until(lambda: len(receiver.at(path)) > before, "the webhook has come")
        return receiver.at(path)[before]

    return next_webhook


def signers(webhook: Received, *secrets: str) -> tuple[list[int], int]:
    """By which of the secrets `webhook-signature` is made, one after the other, and by which the plain header."""
    timestamp = int(webhook.headers["webhook-timestamp"])
    standard = [
        sign_standard(secret, webhook_id=webhook.headers["webhook-id"], timestamp=timestamp, body=webhook.body)
        for secret in secrets
    ]
    plain = [sign_body(secret, webhook.body) for secret in secrets]
    found = [standard.index(signature) for signature in webhook.headers["webhook-signature"].split(" ")]
    return found, plain.index(webhook.headers["x-webhook-signature"])


def test_a_rotated_secret_signs_beside_the_old_one_until_it_is_promoted(
    merchant: httpx.Client, receiver: Receiver
) -> None:
    endpoint = create_endpoint(merchant, receiver.url + "/rotated", "payment.created")
    path, old = f"/webhook-endpoints/{endpoint['id']}", endpoint["secret"]
    next_webhook = arriving(merchant, receiver, "/rotated")
    assert signers(next_webhook(), old) == ([0], 0)

    new = post(merchant, f"{path}/rotate-secret")["secret"]
    assert signers(next_webhook(), new, old) == ([0, 1], 1)

    post(merchant, f"{path}/promote-secret")
    assert signers(next_webhook(), new, old) == ([0, 1], 0)

    newest = post(merchant, f"{path}/rotate-secret", overlap_seconds=0)["secret"]
    assert signers(next_webhook(), newest, new, old) == ([0], 0)
    shown = merchant.get(f"{path}/secret").json()
    assert (shown["secret"], shown["old_secret"]) == (newest, None)
    merchant.delete(path)


def test_what_happens_while_an_endpoint_is_paused_arrives_when_it_is_not(
    merchant: httpx.Client, receiver: Receiver
) -> None:
    endpoint = create_endpoint(merchant, receiver.url + "/paused", "payment.created", "webhook_endpoint.enabled")
    set_status(merchant, endpoint["id"], "paused")
    for _ in range(20):
        create_payment(merchant)
    assert statuses(merchant, endpoint["id"]) == ["held"] * 20
    assert receiver.at("/paused") == []

    set_status(merchant, endpoint["id"], "enabled")

    wait_until(lambda: statuses(merchant, endpoint["id"]) == ["delivered"] * 21, "all are delivered")
    ids = [webhook.headers["webhook-id"] for webhook in receiver.at("/paused")]
    assert len(ids) == len(set(ids)) == 21
    merchant.delete(f"/webhook-endpoints/{endpoint['id']}")


def test_a_ping_comes_with_the_merchants_headers_and_is_shown_without_them(
    merchant: httpx.Client, receiver: Receiver
) -> None:
    wanted = {
        "url": receiver.url + "/pinged",
        "headers": {"Authorization": "Bearer mine"},
        "event_types": ["refund.failed"],
    }
    endpoint = post(merchant, "/webhook-endpoints", **wanted)

    delivery = post(merchant, f"/webhook-endpoints/{endpoint['id']}/ping")

    wait_until(lambda: statuses(merchant, endpoint["id"]) == ["delivered"], "the ping is delivered")
    [webhook] = receiver.at("/pinged")
    assert (webhook.headers["authorization"], webhook.headers["x-webhook-event"]) == ("Bearer mine", "ping")
    shown = merchant.get(f"/webhook-deliveries/{delivery['id']}")
    [attempt] = shown.json()["attempt_history"]
    assert shown.json()["request_body"].encode() == webhook.body
    assert attempt["request_headers"]["X-Webhook-Signature"] == webhook.headers["x-webhook-signature"]
    assert (attempt["number"], attempt["response_body"], attempt["delivered"]) == (1, "thanks", True)
    assert "Bearer mine" not in shown.text
    merchant.delete(f"/webhook-endpoints/{endpoint['id']}")


def test_what_failed_is_delivered_by_a_retry_at_once(merchant: httpx.Client, receiver: Receiver) -> None:
    url = receiver.answer("/retried", answering(500, 503, 200))
    endpoint = create_endpoint(merchant, url, "payment.created")
    create_payment(merchant)
    wait_until(lambda: len(receiver.at("/retried")) == 1, "the first attempt has come")

    def is_not_leased() -> bool:
        listed = merchant.get("/webhook-deliveries", params={"endpoint_id": endpoint["id"]}).json()["data"]
        return bool(listed[0]["attempts"])

    wait_until(is_not_leased, "its outcome is recorded")
    [delivery] = merchant.get("/webhook-deliveries", params={"endpoint_id": endpoint["id"]}).json()["data"]

    post(merchant, f"/webhook-deliveries/{delivery['id']}/retry")
    wait_until(lambda: statuses(merchant, endpoint["id"]) == ["failed"], "its schedule is exhausted")
    post(merchant, f"/webhook-deliveries/{delivery['id']}/retry")
    wait_until(lambda: statuses(merchant, endpoint["id"]) == ["delivered"], "it is delivered")

    attempts = merchant.get(f"/webhook-deliveries/{delivery['id']}").json()["attempt_history"]
    assert [(each["number"], each["response_status"]) for each in attempts] == [(3, 200), (2, 503), (1, 500)]
    merchant.delete(f"/webhook-endpoints/{endpoint['id']}")


def test_what_failed_is_replayed_and_its_progress_can_be_watched(
    stack: LiveStack, merchant: httpx.Client, receiver: Receiver
) -> None:
    url = receiver.answer("/replayed", answering(*[500] * 12, 200))
    wanted = {"url": url, "event_types": ["payment.created"], "auto_recover": False}
    endpoint = post(merchant, "/webhook-endpoints", **wanted)
    path = f"/webhook-endpoints/{endpoint['id']}"
    for _ in range(6):
        create_payment(merchant)
    wait_until(lambda: len(receiver.at("/replayed")) == 6, "the first attempts have come")
    stack.stop("webhook-dispatcher")
    for delivery in merchant.get("/webhook-deliveries", params={"endpoint_id": endpoint["id"]}).json()["data"]:
        post(merchant, f"/webhook-deliveries/{delivery['id']}/retry")
    stack.start("webhook-dispatcher")
    wait_until(lambda: statuses(merchant, endpoint["id"]) == ["failed"] * 6, "all have failed")

    replay = post(merchant, f"{path}/replay")
    assert (replay["total"], replay["status"]) == (6, "running")

    def progress() -> tuple[str, int, int]:
        found = merchant.get(f"/webhook-replays/{replay['id']}").json()
        return found["status"], found["queued"], found["waiting"]

    wait_until(lambda: progress() == ("done", 6, 0), "all are queued and sent")
    assert statuses(merchant, endpoint["id"]) == ["delivered"] * 6
    assert len(receiver.at("/replayed")) == 18
    merchant.delete(path)

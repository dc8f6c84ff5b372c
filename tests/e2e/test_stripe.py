"""Card payments through Stripe, from the public API to localstripe and back, every process a real one.

localstripe signs and sends events of its own for a captured payment and a declined card.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.localstripe import DECLINED_CARD, SECRET_KEY, Door, door_in_thread, running_localstripe
from tests.support.patience import wait_until
from tests.support.payment_rows import Rows
from tests.support.stack import LiveStack, live_stack

from gateway_common.clock import system_clock
from gateway_common.db.database import Database
from gateway_common.merchants.seed import TEST_MERCHANT_ID
from gateway_common.payments.model import PaymentMethod
from gateway_common.providers.model import SIMULATOR, STRIPE, decide_route
from gateway_common.providers.store import save_route
from gateway_common.settings import normalize_database_url

WEBHOOK_SECRET = "whsec_of_localstripe"
NUMBER = "4242424242424242"


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with running_localstripe() as url, door_in_thread(url) as door:
        yield door


@pytest.fixture(scope="module")
def stack(door: Door) -> Iterator[LiveStack]:
    environment = {
        "LOG_LEVEL": "DEBUG",
        "STRIPE_TEST_SECRET_KEY": SECRET_KEY,
        "STRIPE_API_BASE": door.url,
        "STRIPE_WEBHOOK_SECRETS": f"whsec_of_last_year, {WEBHOOK_SECRET}",
    }
    with live_stack(environment, without=("dashboard", "sdk")) as running:
        asyncio.run(send_cards_to_stripe(running.owner_url))
        webhooks = {"url": f"{running.api_url}/api/v1/providers/stripe/callbacks", "secret": WEBHOOK_SECRET}
        httpx.post(f"{door.stripe.base_url}/_config/webhooks/gateway", json=webhooks).raise_for_status()
        yield running


async def send_cards_to_stripe(database_url: str) -> None:
    database = Database(normalize_database_url(database_url), application_name="test", pool_size=1)
    route = decide_route(
        [STRIPE, SIMULATOR],
        livemode=False,
        merchant_id=TEST_MERCHANT_ID,
        method=PaymentMethod.CARD,
        now=system_clock(),
    )
    async with database.transaction() as connection:
        await save_route(connection, route)
    await database.close()


def pay(merchant: httpx.Client, number: str = NUMBER, **fields: Any) -> str:
    """Create a card payment; its id."""
    card = {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "737", "name": "A Customer"}
    payment = {"amount": 50_000, "currency": "INR", "method": "card", "card": card}
    return str(call(merchant, "/payments", **payment | fields)["id"])


def wait_for(merchant: httpx.Client, path: str, **expected: Any) -> dict[str, Any]:
    """The object once it is as expected."""
    found: dict[str, Any] = {}

    def is_so() -> bool:
        found.update(merchant.get(path).json())
        return all(found[name] == value for name, value in expected.items())

    wait_until(is_so, f"{path} is {expected}: {found}", timeout_seconds=20)
    return found


def call(merchant: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    response = merchant.post(path, json=body)
    assert response.status_code in {200, 201}, response.text
    answer: dict[str, Any] = response.json()
    return answer


def find_intent(door: Door, payment_id: str) -> dict[str, Any]:
    """What localstripe itself says of the payment, of which it must know exactly one intent."""
    listed = httpx.get(f"{door.stripe.base_url}/v1/payment_intents?limit=100", auth=(SECRET_KEY, "")).json()
    [intent] = [each for each in listed["data"] if each["metadata"].get("payment_id") == payment_id]
    return dict(intent)


def test_a_card_payment_is_authorized_captured_in_part_and_refunded(
    merchant: httpx.Client, door: Door, stack: LiveStack
) -> None:
    payment_id = pay(merchant)
    wait_for(merchant, f"/payments/{payment_id}", status="success", captured=False)
    assert find_intent(door, payment_id)["status"] == "requires_capture"

    call(merchant, f"/payments/{payment_id}/capture", amount=30_000)
    wait_for(merchant, f"/payments/{payment_id}", capture_status="completed", amount_captured=30_000)
    refund = call(merchant, f"/payments/{payment_id}/refunds", amount=10_000)
    wait_for(merchant, f"/refunds/{refund['id']}", status="processed")

    assert wait_for(merchant, f"/payments/{payment_id}", amount_refunded=10_000)["needs_attention"] is False
    intent = find_intent(door, payment_id)
    assert intent["status"] == "succeeded"
    refunds = httpx.get(
        f"{door.stripe.base_url}/v1/refunds?payment_intent={intent['id']}", auth=(SECRET_KEY, "")
    ).json()["data"]
    # The other one is what localstripe makes of the part that was not captured.
    assert sorted((each["amount"], each["metadata"].get("refund_id")) for each in refunds) == [
        (10_000, refund["id"]),
        (20_000, None),
    ]
    assert [(entry["operation"], entry["provider"], entry["outcome"]) for entry in answers(merchant, payment_id)] == [
        (operation, "stripe", "approved") for operation in ("authorize", "capture", "refund")
    ]
    assert not any(secret in stack.log() for secret in (NUMBER, SECRET_KEY, WEBHOOK_SECRET))


def test_an_authorization_is_given_back(merchant: httpx.Client, door: Door) -> None:
    payment_id = pay(merchant)
    wait_for(merchant, f"/payments/{payment_id}", status="success")

    call(merchant, f"/payments/{payment_id}/cancel")

    wait_until(lambda: find_intent(door, payment_id)["status"] == "canceled", "the intent is cancelled")


def test_a_declined_card_fails_the_payment(merchant: httpx.Client, door: Door) -> None:
    payment_id = pay(merchant, DECLINED_CARD)

    failed = wait_for(merchant, f"/payments/{payment_id}", status="failed")

    assert failed["error"]["code"] == "payment_declined"
    assert find_intent(door, payment_id)["status"] == "requires_payment_method"


def test_stripes_events_arrive_with_its_signature_and_change_nothing_that_is_settled(
    merchant: httpx.Client, rows: Rows
) -> None:
    captured, declined = pay(merchant, capture_method="automatic"), pay(merchant, DECLINED_CARD)
    wait_for(merchant, f"/payments/{captured}", capture_status="completed")
    wait_for(merchant, f"/payments/{declined}", status="failed")

    def are_handled() -> bool:
        query = "SELECT count(*) FROM provider_callbacks WHERE payment_id = ANY (%s) AND outcome IS NOT NULL"
        return rows.read(query, [captured, declined]) == [(2,)]

    wait_until(are_handled, "both events are stored and looked at", timeout_seconds=20)
    wait_for(merchant, f"/payments/{declined}", status="failed")
    wait_for(merchant, f"/payments/{captured}", status="success", amount_captured=50_000)


def test_what_stripe_did_not_sign_is_refused(stack: LiveStack) -> None:
    answer = httpx.post(
        f"{stack.api_url}/api/v1/providers/stripe/callbacks",
        json={"id": "evt_1"},
        headers={"Stripe-Signature": "t=1,v1=00"},
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_signature")


def answers(merchant: httpx.Client, payment_id: str) -> list[dict[str, Any]]:
    """What the provider said of the payment, oldest first."""
    entries = merchant.get(f"/payments/{payment_id}/timeline").json()["entries"]
    return sorted((entry for entry in entries if entry["kind"] == "provider_answer"), key=lambda entry: entry["at"])

"""A real processor whose first provider is a Stripe that is away, or that takes a request and never answers."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.api import Api, expect, running_api
from tests.support.localstripe import SECRET_KEY
from tests.support.processor_process import StartProcessor
from tests.support.receiver import Receiver, answering, running_receiver
from tests.support.records import make_due, read_payment, read_simulator_requests, write_rows
from tests.support.waiting import wait_until

from gateway_cli.local.ports import find_free_ports
from gateway_common.payments.model import PaymentStatus

CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "737"}
PAYMENT = {"amount": 50_000, "currency": "INR", "method": "card", "card": CARD}
INTENTS = "/v1/payment_intents"


@pytest.fixture
async def api(database_url: str, redis_url: str, master_key: str) -> AsyncIterator[Api]:
    async with running_api(database_url, redis_url, master_key) as api:
        await write_rows(api.database, "UPDATE provider_routes SET providers = '{stripe,simulator}'")
        yield api


@pytest.fixture
async def stripe() -> AsyncIterator[Receiver]:
    """Makes intents, and says no word to a confirmation."""
    async with running_receiver() as receiver:
        receiver.answer(INTENTS, answering(200, body=intent("requires_payment_method")))
        receiver.answer(f"{INTENTS}/pi_1/confirm", answering(200, after_seconds=60))
        receiver.answer(f"{INTENTS}/pi_1", answering(500))
        yield receiver


def intent(status: str) -> bytes:
    return json.dumps({"id": "pi_1", "object": "payment_intent", "status": status}).encode()


async def pay(api: Api) -> str:
    created: dict[str, Any] = expect(201, await api.client.post("/api/v1/payments", json=PAYMENT))
    return str(created["id"])


async def read_story(api: Api, payment_id: str) -> list[tuple[str, str, str]]:
    """Whom the timeline says was asked, for what, and how it ended; oldest first."""
    timeline = expect(200, await api.client.get(f"/api/v1/payments/{payment_id}/timeline"))
    told = sorted(
        (each for each in timeline["entries"] if each["kind"] == "provider_answer"), key=lambda each: each["at"]
    )
    return [(each["provider"], each["operation"], each["outcome"]) for each in told]


async def test_when_nobody_listens_there_the_next_of_the_route_takes_over_and_the_timeline_says_so(
    api: Api, start_processor: StartProcessor
) -> None:
    (port,) = find_free_ports(1)
    settings = {
        "STRIPE_TEST_SECRET_KEY": SECRET_KEY,
        "STRIPE_API_BASE": f"http://127.0.0.1:{port}",
        "PROCESSING_DELAY_MIN_MS": "0",
    }
    async with start_processor(**settings):
        payment_id = await pay(api)

        async def is_paid() -> bool:
            return (await read_payment(api.database, payment_id)).status is PaymentStatus.SUCCESS

        await wait_until(is_paid)

    assert await read_story(api, payment_id) == [
        ("stripe", "authorize", "unreachable"),
        ("simulator", "authorize", "approved"),
    ]


async def test_after_silence_nobody_else_is_asked_and_the_truth_is_found_at_stripe(
    api: Api, start_processor: StartProcessor, stripe: Receiver
) -> None:
    settings = {
        "STRIPE_TEST_SECRET_KEY": SECRET_KEY,
        "STRIPE_API_BASE": stripe.url,
        "JOB_TIMEOUT_SECONDS": "2",
    }
    async with start_processor(**settings):
        payment_id = await pay(api)

        async def is_asked(times: int) -> bool:
            await make_due(api.database, payment_id)
            return len(await read_story(api, payment_id)) >= times

        async def is_paid() -> bool:
            await make_due(api.database, payment_id)
            return (await read_payment(api.database, payment_id)).status is PaymentStatus.SUCCESS

        await wait_until(lambda: is_asked(3))
        assert set(await read_story(api, payment_id)) == {("stripe", "authorize", "unknown")}
        stripe.answer(f"{INTENTS}/pi_1", answering(200, body=intent("requires_capture")))
        await wait_until(is_paid)

    assert len(stripe.at(f"{INTENTS}/pi_1/confirm")) == 1
    assert (await read_story(api, payment_id))[-1] == ("stripe", "authorize", "approved")
    assert await read_simulator_requests(api.database, payment_id) == {}

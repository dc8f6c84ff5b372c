"""The bank page over HTTP: what it shows of a payment, what its buttons do, and when it is too late."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.api import Api, expect, expect_error
from tests.support.processing import QUICK, new_processor
from tests.support.records import make_due, read_payment, read_rows, write_rows

from gateway_common.payments.model import PaymentStatus
from gateway_common.queue.ringer import Ringer
from gateway_common.simulator.model import UpiApp
from gateway_processor.payments import PaymentProcessor
from gateway_processor.providers.simulator import Simulator

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def processor(api: Api, ringer: Ringer) -> PaymentProcessor:
    return new_processor(api.database, ringer, Simulator(api.database, replace(QUICK, upi_app=UpiApp.PAGE)))


async def create(api: Api) -> str:
    body = {"amount": 50_000, "currency": "INR", "method": "upi", "upi": {"flow": "intent"}, "order_id": "order<7>"}
    payment_id: str = expect(201, await api.client.post("/api/v1/payments", json=body))["id"]
    return payment_id


async def show(api: Api, payment_id: str) -> str:
    async with api.browser() as anybody:
        page = await anybody.get(f"/test/bank/{payment_id}")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    return page.text


async def press(api: Api, payment_id: str, decision: str) -> None:
    async with api.browser(**FORM) as anybody:
        answer = await anybody.post(f"/test/bank/{payment_id}", content=f"decision={decision}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/test/bank/{payment_id}")


async def test_it_shows_who_is_paid_what_and_how_long_there_is(api: Api, processor: PaymentProcessor) -> None:
    payment_id = await create(api)
    assert "Not here yet" in await show(api, payment_id)

    await processor.process(payment_id)

    page = await show(api, payment_id)
    for words in ("500.00 INR", "Test Merchant", "order&lt;7&gt;", "UPI intent", payment_id, "4 min 5", "Approve"):
        assert words in page


@pytest.mark.parametrize(
    ("decision", "title", "status"),
    [
        ("approve", "Approved", PaymentStatus.SUCCESS),
        ("decline", "Declined", PaymentStatus.FAILED),
        ("expire", "Time is up", PaymentStatus.EXPIRED),
    ],
)
async def test_a_button_decides_once_calls_the_gateway_and_the_payment_follows(
    api: Api, processor: PaymentProcessor, decision: str, title: str, status: PaymentStatus
) -> None:
    payment_id = await create(api)
    await processor.process(payment_id)

    await press(api, payment_id, decision)
    for other in ("approve", "decline", "expire"):
        await press(api, payment_id, other)

    page = await show(api, payment_id)
    assert title in page
    assert "<button" not in page
    assert len(await read_rows(api.database, "SELECT 1 FROM provider_callbacks")) == 1
    await make_due(api.database, payment_id)
    await processor.process(payment_id)
    assert (await read_payment(api.database, payment_id)).status is status


async def test_a_request_that_was_taken_back_or_is_over_can_be_approved_no_more(
    api: Api, processor: PaymentProcessor
) -> None:
    payment_id = await create(api)
    await processor.process(payment_id)
    await write_rows(api.database, "UPDATE simulator_operations SET expires_at = now()")
    await write_rows(api.database, "UPDATE payments SET request_expires_at = now() - interval '1 s', due_at = now()")
    await press(api, payment_id, "approve")
    assert "Time is up" in await show(api, payment_id)

    await processor.process(payment_id)
    await processor.process(payment_id)
    await press(api, payment_id, "approve")

    assert "Taken back" in await show(api, payment_id)
    assert (await read_payment(api.database, payment_id)).status is PaymentStatus.EXPIRED
    assert await read_rows(api.database, "SELECT 1 FROM provider_callbacks") == []


@pytest.mark.parametrize("body", ["", "decision=", "decision=steal", "&".join(["a=1"] * 20), "decision=approve%ff"])
async def test_a_form_that_makes_no_sense_is_refused(api: Api, processor: PaymentProcessor, body: str) -> None:
    payment_id = await create(api)
    await processor.process(payment_id)

    expect_error(400, "invalid_request", await api.client.post(f"/test/bank/{payment_id}", content=body, headers=FORM))


async def test_no_unknown_payment_and_no_live_one_is_shown(api: Api) -> None:
    payment_id = await create(api)
    await write_rows(api.database, "UPDATE payments SET livemode = true")

    for unknown in ("pay_unknown", payment_id):
        expect_error(404, "not_found", await api.client.get(f"/test/bank/{unknown}"))
        expect_error(
            404,
            "not_found",
            await api.client.post(f"/test/bank/{unknown}", content="decision=approve", headers=FORM),
        )


@pytest.mark.parametrize(
    ("method", "shown"),
    [
        ({"method": "upi", "vpa": "pending@upi"}, "UPI collect, pending@upi"),
        ({"method": "netbanking", "bank": "hdfc"}, "Netbanking: hdfc"),
        ({"method": "wallet", "wallet": "paytm"}, "Wallet: paytm"),
        (
            {
                "method": "card",
                "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2090, "cvc": "123", "name": "A"},
            },
            "Card ending in 4242",
        ),
    ],
)
async def test_every_method_is_named(api: Api, method: dict[str, Any], shown: str) -> None:
    created = await api.client.post("/api/v1/payments", json={"amount": 1, "currency": "INR"} | method)

    assert shown in await show(api, expect(201, created)["id"])

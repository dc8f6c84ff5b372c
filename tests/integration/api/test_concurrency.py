"""Many at once on the same thing, over two instances of the API on one database: one wins, and the books agree."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import cycle
from typing import Any

import httpx
import pytest
from tests.support.api import NEW_PAYMENT, Api, expect, running_api
from tests.support.doorbell import bell
from tests.support.processing import new_processor, work_off
from tests.support.providers import ScriptedProvider
from tests.support.records import make_due, number_all_events, read_audit, read_event_types, read_rows

from gateway_common.clock import system_clock
from gateway_common.queue.messages import WEBHOOKS_STREAM
from gateway_common.queue.ringer import Ringer
from gateway_processor.providers.base import Approved, Declined

APPROVALS = [Approved()] * 100
NO = Declined("payment_declined", "The bank said no.")


@pytest.fixture
async def second_api(database_url: str, redis_url: str, master_key: str) -> AsyncIterator[Api]:
    async with running_api(database_url, redis_url, master_key) as api:
        yield api


@pytest.fixture
async def ringer(redis_url: str) -> AsyncIterator[Ringer]:
    async with bell(redis_url) as payments, bell(redis_url, WEBHOOKS_STREAM) as webhooks:
        yield Ringer(payments, webhooks)


async def post_at_once(apis: list[Api], *requests: tuple[str, dict[str, Any], str | None]) -> list[httpx.Response]:
    """Send all of them (path, body, Idempotency-Key) at once, in turn to one instance and the other."""

    async def post(api: Api, path: str, body: dict[str, Any], key: str | None) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        response = await api.client.post(f"/api/v1{path}", json=body, headers=headers)
        # A pool that is exhausted is no decision, and a request with a key may be sent again.
        while key and response.status_code == 503:
            response = await api.client.post(f"/api/v1{path}", json=body, headers=headers)
        return response

    return await asyncio.gather(*(post(api, *request) for api, request in zip(cycle(apis), requests, strict=False)))


def codes(responses: list[httpx.Response]) -> Counter[str]:
    """How often each error code or success was answered."""
    return Counter(
        response.json()["error"]["code"] if response.is_error else str(response.status_code) for response in responses
    )


async def assert_books_agree(api: Api) -> None:
    """Every invariant holds, and each balance is the sum of its entries."""
    await number_all_events(api.database)
    assert await read_audit(api.database) == []
    balances = "SELECT account, sum(amount_minor) AS amount FROM ledger_{} GROUP BY account ORDER BY account"
    kept, booked = [await read_rows(api.database, balances.format(kind)) for kind in ("balances", "entries")]
    assert kept == booked


async def balance(api: Api) -> dict[str, int]:
    (rupees,) = expect(200, await api.client.get("/api/v1/balance"))["data"]
    assert rupees.pop("currency") == "INR"
    amounts: dict[str, int] = rupees
    return amounts


async def test_fifty_creates_with_one_key_make_one_payment(api: Api, second_api: Api) -> None:
    responses = await post_at_once([api, second_api], *[("/payments", NEW_PAYMENT, "one-key-for-all")] * 50)

    made = [response for response in responses if response.status_code == 201]
    assert codes(responses) == {"201": len(made), "idempotency_in_progress": 50 - len(made)} or len(made) == 50
    assert len({response.content for response in made}) == 1
    assert len([response for response in made if "idempotent-replayed" not in response.headers]) == 1
    for table in ("payments", "events", "idempotency_keys"):
        assert await read_rows(api.database, f"SELECT count(*) AS count FROM {table}") == [{"count": 1}]
    (again,) = await post_at_once([second_api], ("/payments", NEW_PAYMENT, "one-key-for-all"))
    assert again.content == made[0].content
    await assert_books_agree(api)


async def test_of_two_hundred_refunds_as_many_are_taken_as_the_capture_pays(
    api: Api, second_api: Api, ringer: Ringer
) -> None:
    processor = new_processor(api.database, ringer, ScriptedProvider(*APPROVALS))
    payment_id = (await api.create(capture_method="automatic"))["id"]
    await work_off(processor, api.database, payment_id)

    requests = [(f"/payments/{payment_id}/refunds", {"amount": 1_000}, f"refund-{number}") for number in range(200)]
    responses = await post_at_once([api, second_api], *requests)

    assert codes(responses) == {"201": 50, "payment_state_conflict": 150}
    sums = "SELECT count(*) AS count, sum(amount_minor) AS amount FROM refunds WHERE status = 'pending'"
    assert await read_rows(api.database, sums) == [{"count": 50, "amount": 50_000}]
    assert await balance(api) == {"available": 0, "held_for_refunds": 50_000, "fees": 0, "with_providers": 50_000}
    await assert_books_agree(api)

    await work_off(processor, api.database, payment_id, steps_most=60)
    assert await balance(api) == {"available": 0, "held_for_refunds": 0, "fees": 0, "with_providers": 0}
    payment = expect(200, await api.client.get(f"/api/v1/payments/{payment_id}"))
    assert (payment["amount_captured"], payment["amount_refunded"]) == (50_000, 50_000)
    await assert_books_agree(api)


async def test_a_hundred_captures_are_one_capture_and_one_posting(api: Api, second_api: Api, ringer: Ringer) -> None:
    provider = ScriptedProvider(*APPROVALS)
    processor = new_processor(api.database, ringer, provider)
    payment_id = (await api.create())["id"]
    await processor.process(payment_id)

    path = f"/payments/{payment_id}/capture"
    responses = await post_at_once(
        [api, second_api], *[(path, {"amount": 20_000 + number % 4 // 2}, f"capture-{number}") for number in range(100)]
    )

    # Half of them want one amount and half another: whichever came first, all that want the same are answered alike.
    assert codes(responses) == {"200": 50, "payment_state_conflict": 50}
    (amount,) = {response.json()["amount_captured"] for response in responses if response.is_success}
    await work_off(processor, api.database, payment_id)
    assert [(call, asked) for call, _, asked in provider.asked] == [("authorize", 50_000), ("capture", amount)]
    entries = await read_rows(api.database, "SELECT kind, account, amount_minor FROM ledger_entries ORDER BY account")
    assert [(entry["kind"], entry["account"], entry["amount_minor"]) for entry in entries] == [
        ("capture", "merchant_balance", amount),
        ("capture", "provider_clearing", -amount),
    ]
    story = ["payment.captured", "payment.created", "payment.processing", "payment.success"]
    assert await read_event_types(api.database, payment_id) == story
    await assert_books_agree(api)


@pytest.mark.parametrize("count", [2, 20])
async def test_an_order_takes_one_of_many_payments(api: Api, second_api: Api, count: int) -> None:
    order = {"amount": 50_000, "currency": "INR", "reference": "basket-1"}
    order_id = expect(201, await api.client.post("/api/v1/orders", json=order))["id"]

    names = cycle([order_id, order_id, "basket-1", "basket-1"])
    bodies = [NEW_PAYMENT | {"order_id": next(names)} for _ in range(count)]
    responses = await post_at_once(
        [api, second_api], *[("/payments", body, f"payment-{number}") for number, body in enumerate(bodies)]
    )

    refused = {"order_state_conflict", "order_busy"}
    assert sum(times for code, times in codes(responses).items() if code in refused) == count - 1
    (paying,) = [response.json()["id"] for response in responses if response.status_code == 201]
    shown = expect(200, await api.client.get(f"/api/v1/orders/{order_id}"))
    assert (shown["status"], shown["payment_id"], shown["attempts"]) == ("attempted", paying, 1)
    await assert_books_agree(api)


async def test_of_capture_cancel_and_expiry_one_wins(api: Api, second_api: Api, ringer: Ringer) -> None:
    provider = ScriptedProvider(*APPROVALS)
    processor = new_processor(api.database, ringer, provider)
    # To the processor's clock every authorization has run out; to the API's none has.
    late = new_processor(
        api.database, ringer, provider, clock=lambda: system_clock() + timedelta(days=8), worker_id="wrk_2"
    )

    async def process_after(seconds: float, payment_id: str) -> None:
        # Some before the requests, some in the midst of them, some behind: whoever is quicker in general.
        await asyncio.sleep(seconds)
        await late.process(payment_id)

    order = {"amount": 50_000, "currency": "INR"}
    order_ids = [expect(201, await api.client.post("/api/v1/orders", json=order))["id"] for _ in range(30)]
    payment_ids = [(await api.create(order_id=order_id))["id"] for order_id in order_ids]
    await asyncio.gather(*(processor.process(payment_id) for payment_id in payment_ids))
    for payment_id in payment_ids:
        await make_due(api.database, payment_id)

    responses, _ = await asyncio.gather(
        post_at_once(
            [api, second_api],
            *[
                (f"/payments/{payment_id}/{what}", {}, f"{what}-{number}")
                for number, payment_id in enumerate(payment_ids)
                for what in (["capture", "cancel"] if number % 2 else ["cancel", "capture"])
            ],
        ),
        asyncio.gather(*(process_after(number * 0.02, payment_id) for number, payment_id in enumerate(payment_ids))),
    )

    won = Counter(payment_id_of(response) for response in responses if response.is_success)
    winners = Counter[str]()
    for payment_id, order_id in zip(payment_ids, order_ids, strict=True):
        payment = expect(200, await api.client.get(f"/api/v1/payments/{payment_id}"))
        winner = "captured" if payment["captured"] else payment["status"]
        assert won[payment_id] == (0 if winner == "expired" else 1)
        winners[winner] += 1
        paid = expect(200, await api.client.get(f"/api/v1/orders/{order_id}"))["status"]
        assert paid == ("paid" if winner == "captured" else "attempted")
    assert winners.keys() <= {"captured", "cancelled", "expired"}
    assert len(winners) > 1, "the race was none"

    for payment_id in payment_ids:
        await work_off(processor, api.database, payment_id)
    assert Counter(call for call, _, _ in provider.asked if call != "authorize") == {
        "capture": winners["captured"], "void": winners["cancelled"] + winners["expired"],
    }  # fmt: skip
    assert (await balance(api))["available"] == 50_000 * winners["captured"]
    await assert_books_agree(api)


def payment_id_of(response: httpx.Response) -> str:
    payment_id: str = response.json()["id"]
    return payment_id


async def test_refunds_asked_for_while_their_capture_fails_all_fail_or_are_refused(
    api: Api, second_api: Api, ringer: Ringer
) -> None:
    processor = new_processor(api.database, ringer, ScriptedProvider(*APPROVALS))
    payment_ids = [(await api.create(capture_method="automatic"))["id"] for _ in range(10)]
    await asyncio.gather(*(processor.process(payment_id) for payment_id in payment_ids))
    capturing = [claimed for payment_id in payment_ids if (claimed := await processor.claim(payment_id))]

    requests = [(f"/payments/{payment_ids[n % 10]}/refunds", {"amount": 1_000}, f"refund-{n}") for n in range(60)]
    responses, recorded = await asyncio.gather(
        post_at_once([api, second_api], *requests),
        asyncio.gather(*(processor.record(claimed, NO) for claimed in capturing)),
    )

    assert recorded == [True] * 10
    answered = codes(responses)
    assert answered.keys() <= {"201", "payment_state_conflict"}
    refunds = await read_rows(api.database, "SELECT count(*) AS count FROM refunds WHERE status = 'failed'")
    assert refunds == [{"count": answered["201"]}]
    left = "capture_status <> 'failed' OR amount_refund_reserved_minor > 0 OR due_at < now()"
    assert await read_rows(api.database, f"SELECT count(*) AS count FROM payments WHERE {left}") == [{"count": 0}]
    await assert_books_agree(api)

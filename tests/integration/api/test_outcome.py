"""A tester says what became of a payment: the bank's truth changes, the gateway is called, the payment follows."""

from typing import Any

import httpx
import pytest
from tests.support.api import Api, expect, expect_error, running_api
from tests.support.processing import Process, new_processor
from tests.support.providers import ScriptedProvider
from tests.support.records import make_due, read_rows, write_rows

from gateway_common.merchants.model import Scope
from gateway_common.queue.ringer import Ringer
from gateway_processor.providers.base import Approved, Pending


async def waiting_payment(api: Api, ringer: Ringer, **changes: Any) -> str:
    """The id of a payment that waits at the simulator for somebody to decide."""
    payment_id: str = (await api.create(vpa="pending@upi", **changes))["id"]
    await new_processor(api.database, ringer).process(payment_id)
    return payment_id


async def set_outcome(api: Api, payment_id: str, outcome: str, **more: Any) -> httpx.Response:
    return await api.client.post(f"/api/v1/test/payments/{payment_id}/outcome", json={"outcome": outcome} | more)


async def read(api: Api, payment_id: str) -> tuple[str, str | None]:
    """Status and error code."""
    payment = expect(200, await api.client.get(f"/api/v1/payments/{payment_id}"))
    return payment["status"], (payment["error"] or {}).get("code")


@pytest.mark.parametrize(
    ("body", "became"),
    [
        ({"outcome": "success"}, ("success", None)),
        ({"outcome": "failed"}, ("failed", "payment_declined")),
        ({"outcome": "failed", "error_code": "insufficient_funds"}, ("failed", "insufficient_funds")),
        ({"outcome": "failed", "error_code": "expired_card"}, ("failed", "expired_card")),
        ({"outcome": "expired"}, ("expired", "request_expired")),
    ],
)
async def test_a_payment_that_waits_becomes_what_the_tester_says(
    api: Api, ringer: Ringer, process: Process, body: dict[str, str], became: tuple[str, str | None]
) -> None:
    payment_id = await waiting_payment(api, ringer)

    answered = expect(200, await set_outcome(api, payment_id, **body))

    assert (answered["id"], answered["status"]) == (payment_id, "processing"), "as it is now"
    await make_due(api.database, payment_id)
    await process(payment_id)
    assert await read(api, payment_id) == became


async def test_the_gateway_is_called_each_time_and_a_repeated_request_calls_it_once(api: Api, ringer: Ringer) -> None:
    payment_id = await waiting_payment(api, ringer)
    path = f"/api/v1/test/payments/{payment_id}/outcome"

    for _ in range(2):
        again = await api.client.post(path, json={"outcome": "failed"}, headers={"Idempotency-Key": "the-same-key"})
    await set_outcome(api, payment_id, "success")

    assert again.headers["idempotent-replayed"] == "true"
    rows = await read_rows(
        api.database, "SELECT event_id, provider, payment_id FROM provider_callbacks ORDER BY event_id"
    )
    assert [row["event_id"] for row in rows] == [f"{payment_id}:authorize:1", f"{payment_id}:authorize:2"]
    assert {(row["provider"], row["payment_id"]) for row in rows} == {("simulator", payment_id)}


async def test_a_payment_that_failed_may_be_approved_later(api: Api, process: Process) -> None:
    payment_id: str = (await api.create(vpa="failure@upi"))["id"]
    await process(payment_id)

    assert expect(200, await set_outcome(api, payment_id, "success"))["status"] == "failed"

    # As the processor does with the callback.
    await write_rows(api.database, "UPDATE payments SET has_news = true, due_at = now()")
    await process(payment_id)
    assert await read(api, payment_id) == ("success", None)


async def test_what_is_decided_or_was_never_asked_can_not_be_set(api: Api, ringer: Ringer, process: Process) -> None:
    unsent = (await api.create())["id"]
    cancelled = (await api.create())["id"]
    expect(200, await api.client.post(f"/api/v1/payments/{cancelled}/cancel"))
    paid = (await api.create())["id"]
    await process(paid)
    voided = (await api.create())["id"]
    await process(voided)
    expect(200, await api.client.post(f"/api/v1/payments/{voided}/cancel"))
    await process(voided)
    elsewhere = (await api.create())["id"]
    await new_processor(api.database, ringer, ScriptedProvider(Pending(), Approved())).process(elsewhere)
    await write_rows(api.database, "UPDATE payments SET provider = 'stripe' WHERE id = :id", id=elsewhere)

    for payment_id in (unsent, cancelled, paid, voided, elsewhere):
        expect_error(409, "payment_state_conflict", await set_outcome(api, payment_id, "success"))
    assert await read_rows(api.database, "SELECT 1 FROM provider_callbacks") == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "outcome"),
        ({"outcome": "lost"}, "outcome"),
        ({"outcome": "failed", "error_code": "bored"}, "error_code"),
        ({"outcome": "success", "error_code": "payment_declined"}, "error_code"),
        ({"outcome": "success", "reason": "x"}, "reason"),
    ],
)
async def test_a_body_that_makes_no_sense_is_refused(api: Api, body: dict[str, str], param: str) -> None:
    response = await api.client.post("/api/v1/test/payments/pay_1/outcome", json=body)

    expect_error(422, "validation_failed", response)
    assert response.json()["error"]["param"] == param


async def test_only_its_own_merchant_with_the_right_scope_sets_it(api: Api, ringer: Ringer) -> None:
    payment_id = await waiting_payment(api, ringer)
    stranger = await api.add_key("key_test_b", "mer_b", "secret of b")
    reader = await api.add_key("key_test_reader", "mer_test", "secret", scopes=frozenset({Scope.READ}))

    for keys, status, code in ((stranger, 404, "not_found"), (reader, 403, "forbidden"), ({}, 401, "unauthenticated")):
        async with api.browser(**keys) as client:
            response = await client.post(f"/api/v1/test/payments/{payment_id}/outcome", json={"outcome": "success"})
        expect_error(status, code, response)


async def test_without_test_mode_there_is_no_such_route(database_url: str, redis_url: str, master_key: str) -> None:
    async with running_api(database_url, redis_url, master_key, test_mode=False) as api:
        response = await set_outcome(api, "pay_1", "success")
        page = await api.client.get("/test/bank/pay_1")

    expect_error(404, "not_found", response)
    expect_error(404, "not_found", page)

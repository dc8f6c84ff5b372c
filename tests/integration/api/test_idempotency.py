"""Idempotency-Key over HTTP: the same request is answered again and done once, whatever happens at the same time."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from tests.support.api import NEW_PAYMENT, Api, expect, expect_error, running_api

PAYMENTS = "/api/v1/payments"
ENDPOINTS = "/api/v1/webhook-endpoints"
ORDERS = "/api/v1/orders"
KEY = {"Idempotency-Key": "0b7f6a53-2b6e-4f4c-9d6f"}


async def count(api: Api, table: str) -> int:
    async with api.database.statement() as connection:
        found: int = await connection.scalar(text(f"SELECT count(*) FROM {table}"))
    return found


def expect_replay(first: httpx.Response, again: httpx.Response) -> None:
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["content-type"] == first.headers["content-type"]


async def test_a_create_with_the_same_key_and_body_is_answered_again(api: Api) -> None:
    first = await api.client.post(PAYMENTS, json=NEW_PAYMENT, headers=KEY)

    again = await api.client.post(PAYMENTS, json=NEW_PAYMENT, headers=KEY)

    expect(201, first)
    expect_replay(first, again)
    assert [await count(api, table) for table in ("payments", "events", "idempotency_keys")] == [1, 1, 1]


async def test_a_create_by_card_is_answered_again_though_the_card_has_expired_since(
    database_url: str, redis_url: str, master_key: str
) -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    card = {"number": "4242424242424242", "exp_month": 1, "exp_year": 2026, "cvc": "123"}
    wanted = {"amount": 50_000, "currency": "INR", "method": "card", "card": card}
    async with running_api(database_url, redis_url, master_key, clock=lambda: now) as api:
        first = await api.client.post(PAYMENTS, json=wanted, headers=KEY)
        now += timedelta(days=1)

        again = await api.client.post(PAYMENTS, json=wanted, headers=KEY)

        expect(201, first)
        expect_replay(first, again)
        expect_error(
            422, "idempotency_key_reuse", await api.client.post(PAYMENTS, json=wanted | {"amount": 1}, headers=KEY)
        )
        expect_error(422, "validation_failed", await api.client.post(PAYMENTS, json=wanted))


async def test_the_answer_stays_what_it_was_though_the_payment_went_on(api: Api) -> None:
    first = await api.client.post(PAYMENTS, json=NEW_PAYMENT, headers=KEY)
    await api.authorize(first.json()["id"])

    again = await api.client.post(PAYMENTS, json=NEW_PAYMENT, headers=KEY)

    expect_replay(first, again)
    assert again.json()["status"] == "pending"


async def test_a_capture_and_a_refund_are_answered_again(api: Api) -> None:
    payment_id = await api.create_authorized()

    for path, status in ((f"{PAYMENTS}/{payment_id}/capture", 200), (f"{PAYMENTS}/{payment_id}/refunds", 201)):
        first = await api.client.post(path, json={"amount": 1000}, headers=KEY)
        again = await api.client.post(path, json={"amount": 1000}, headers=KEY)

        expect(status, first)
        expect_replay(first, again)
    assert await count(api, "refunds") == 1


async def test_fields_in_another_order_are_the_same_body(api: Api) -> None:
    first = await api.client.post(PAYMENTS, json=NEW_PAYMENT, headers=KEY)

    again = await api.client.post(PAYMENTS, json=dict(reversed(NEW_PAYMENT.items())), headers=KEY)

    expect_replay(first, again)


@pytest.mark.parametrize("change", [{"amount": 50_001}, {"vpa": "other@upi"}, {"metadata": {"a": "b"}}])
async def test_the_same_key_with_another_body_is_refused(api: Api, change: dict[str, Any]) -> None:
    await api.client.post(PAYMENTS, json=NEW_PAYMENT, headers=KEY)

    response = await api.client.post(PAYMENTS, json=NEW_PAYMENT | change, headers=KEY)

    message = expect_error(422, "idempotency_key_reuse", response)
    assert message == "This Idempotency-Key was used before, with another request."
    assert await count(api, "payments") == 1


async def test_the_same_key_for_another_payments_capture_or_refund_is_refused(api: Api) -> None:
    one, other = await api.create_authorized(), await api.create_authorized()

    for action in ("capture", "refunds"):
        assert (await api.client.post(f"{PAYMENTS}/{one}/{action}", headers=KEY)).is_success
        response = await api.client.post(f"{PAYMENTS}/{other}/{action}", headers=KEY)

        expect_error(422, "idempotency_key_reuse", response)
    assert expect(200, await api.client.get(f"{PAYMENTS}/{other}"))["captured"] is False


async def test_a_key_is_its_merchants_its_modes_and_its_routes_own(api: Api) -> None:
    other = await api.add_key("key_test_other", "mer_other", "secret-of-the-other")
    live = await api.add_key("key_live_same", "mer_test", "secret-of-the-live")

    order = {"amount": 50_000, "currency": "INR"}
    responses = [await api.client.post(ORDERS, json=order, headers=KEY | keys) for keys in ({}, other, live)]
    endpoint = await api.client.post(ENDPOINTS, json={"url": "https://shop.example"}, headers=KEY)

    assert len({expect(201, response)["id"] for response in responses}) == 3
    expect(201, endpoint)


async def test_fifty_identical_creates_at_once_make_one_payment(api: Api) -> None:
    responses = await asyncio.gather(*(api.client.post(PAYMENTS, json=NEW_PAYMENT, headers=KEY) for _ in range(50)))

    answered = [response for response in responses if response.status_code == 201]
    refused = [response for response in responses if response.status_code != 201]
    assert await count(api, "payments") == 1
    assert len({response.content for response in answered}) == 1
    assert sum("idempotent-replayed" not in response.headers for response in answered) == 1
    for response in refused:
        expect_error(409, "idempotency_in_progress", response)
        assert response.headers["retry-after"] == "1"
        assert response.json()["error"]["retryable"] is True


async def test_twenty_identical_refunds_at_once_make_one_refund(api: Api) -> None:
    payment_id = await api.create_captured()

    responses = await asyncio.gather(
        *(api.client.post(f"{PAYMENTS}/{payment_id}/refunds", json={"amount": 10}, headers=KEY) for _ in range(20))
    )

    assert {response.status_code for response in responses} <= {201, 409}
    assert len({response.content for response in responses if response.status_code == 201}) == 1
    assert await count(api, "refunds") == 1


async def test_different_keys_at_once_make_different_payments(api: Api) -> None:
    responses = await asyncio.gather(
        *(
            api.client.post(PAYMENTS, json=NEW_PAYMENT, headers={"Idempotency-Key": f"create-{number % 25}"})
            for number in range(50)
        )
    )

    assert {response.status_code for response in responses} <= {201, 409}
    assert await count(api, "payments") == 25


async def test_a_refused_request_may_be_sent_again_with_its_key(api: Api) -> None:
    payment_id = (await api.create())["id"]
    refused = await api.client.post(f"{PAYMENTS}/{payment_id}/capture", headers=KEY)
    await api.authorize(payment_id)

    response = await api.client.post(f"{PAYMENTS}/{payment_id}/capture", headers=KEY)

    expect_error(409, "payment_state_conflict", refused)
    assert expect(200, response)["captured"] is True
    assert "idempotent-replayed" not in response.headers


async def test_an_invalid_request_does_not_take_its_key(api: Api) -> None:
    expect_error(422, "validation_failed", await api.client.post(PAYMENTS, json={}, headers=KEY))

    expect(201, await api.client.post(PAYMENTS, json=NEW_PAYMENT, headers=KEY))


async def test_a_malformed_key_is_refused_before_anything_is_done(api: Api) -> None:
    for key in (b"short", b"x" * 256, b"with space", b"na\xefve-key", b"tab\tinside"):
        response = await api.client.post(PAYMENTS, json=NEW_PAYMENT, headers={b"Idempotency-Key": key})

        message = expect_error(400, "invalid_request", response)
        assert message == "Idempotency-Key must be 8 to 255 visible ASCII characters."
        assert response.json()["error"]["param"] == "Idempotency-Key"
    assert await count(api, "payments") == 0


async def test_an_answer_with_a_secret_is_stored_sealed_and_replayed_open(api: Api) -> None:
    wanted = {"url": "https://shop.example/hooks"}
    first = await api.client.post(ENDPOINTS, json=wanted, headers=KEY)
    secret = expect(201, first)["secret"]

    again = await api.client.post(ENDPOINTS, json=wanted, headers=KEY)

    expect_replay(first, again)
    assert again.json()["secret"] == secret
    async with api.database.statement() as connection:
        (stored,) = (await connection.execute(text("SELECT * FROM idempotency_keys"))).all()
    assert b"whsec_" not in stored.response_body
    assert secret.encode() not in stored.response_body
    assert len(expect(200, await api.client.get(ENDPOINTS))["data"]) == 1


async def test_the_stored_fingerprint_tells_nothing_of_the_body(api: Api) -> None:
    await api.client.post(PAYMENTS, json=NEW_PAYMENT, headers=KEY)
    other = await api.add_key("key_test_other", "mer_other", "secret-of-the-other")
    await api.client.post(PAYMENTS, json=NEW_PAYMENT, headers=KEY | other)

    async with api.database.statement() as connection:
        fingerprints = (await connection.scalars(text("SELECT fingerprint FROM idempotency_keys"))).all()

    assert all(len(fingerprint) == 36 for fingerprint in fingerprints)
    assert not any(b"upi" in fingerprint for fingerprint in fingerprints)

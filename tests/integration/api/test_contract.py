"""The API keeps what its OpenAPI document promises, as far as thousands of generated requests can tell."""

import asyncio
import os
from pathlib import Path

from tests.support.api import NEW_PAYMENT, expect, running_api
from tests.support.api_process import running_api_process
from tests.support.contract import run_schemathesis

from gateway_common.db.database import Database
from gateway_common.events.sequence_store import number_events

# `make fuzz` takes many more, and other ones each time.
WANTED = os.environ.get("API_FUZZ_EXAMPLES")


async def test_every_promise_is_kept(
    database: Database, database_url: str, redis_url: str, master_key: str, tmp_path: Path
) -> None:
    async with running_api(database_url, redis_url, master_key) as api:
        payment_ids = [await api.create_captured(amount=10**12) for _ in range(5)]
        refund = await api.client.post(f"/api/v1/payments/{payment_ids[0]}/refunds", json={"amount": 1})
        endpoint = await api.client.post("/api/v1/webhook-endpoints", json={"url": "https://shop.example"})
        doomed = await api.client.post("/api/v1/webhook-endpoints", json={"url": "https://shop.example"})
        replay = await api.client.post(f"/api/v1/webhook-endpoints/{endpoint.json()['id']}/replay")
        checkout = await api.client.post(
            "/api/v1/checkout/payments", json={"order_id": "ord_1", "method": "upi", "vpa": NEW_PAYMENT["vpa"]}
        )
        order = await api.client.post("/api/v1/orders", json={"amount": 50_000, "currency": "INR"})
        key = await api.client.post("/api/v1/api-keys", json={"scopes": ["read"]})
        async with database.transaction() as connection:
            await number_events(connection)
        events = await api.client.get("/api/v1/events")
        await api.create()
        deliveries = await api.client.get("/api/v1/webhook-deliveries")
    ids = {
        "order_id": [expect(201, order)["id"]],
        "key_id": [expect(201, key)["id"]],
        "event_id": [event["id"] for event in expect(200, events)["data"]],
        "payment_id": payment_ids,
        "refund_id": [expect(201, refund)["id"]],
        "endpoint_id": [expect(201, endpoint)["id"]],
        "doomed_endpoint_id": [expect(201, doomed)["id"]],
        "replay_id": [expect(201, replay)["id"]],
        "delivery_id": [delivery["id"] for delivery in expect(200, deliveries)["data"]],
    }
    paid = expect(201, checkout)
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "GATEWAY_MASTER_KEY": master_key}

    with running_api_process(tmp_path, TEST_MODE="true", **settings) as process:
        status = await asyncio.to_thread(
            run_schemathesis,
            process.url,
            tmp_path,
            ids=ids,
            checkout={"payment_id": paid["payment"]["id"], "client_token": paid["client_token"]},
            examples=int(WANTED or 15),
            seed=None if WANTED else 1,
        )

    assert status == 0
    assert "http.broken" not in process.output

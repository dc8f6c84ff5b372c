"""The status of the jobs, which tests and demos look at; production has no such route."""

from tests.support.api import NO_REDIS, Api, expect, expect_error, running_api

from gateway_common.workers.store import renew_worker

STATUS = "/api/v1/test/jobs/status"


async def test_without_test_mode_there_is_no_such_route(database_url: str, redis_url: str, master_key: str) -> None:
    async with running_api(database_url, redis_url, master_key, test_mode=False) as api:
        response = await api.client.get(STATUS)
        document = api.app.openapi()

    expect_error(404, "not_found", response)
    assert STATUS not in document["paths"]


async def test_no_key_is_needed_and_nothing_is_to_do_at_first(api: Api) -> None:
    async with api.browser() as anybody:
        status = expect(200, await anybody.get(STATUS))

    nothing = {"due": 0, "oldest_due_seconds": 0, "rings_waiting": 0}
    assert status == {
        "pending": 0,
        "processing": 0,
        "completed": 0,
        "failed": 0,
        "worker_status": "stopped",
        "queues": {"payments": nothing, "webhooks": nothing},
    }


async def test_payments_refunds_and_deliveries_are_counted_where_they_are(api: Api) -> None:
    await api.client.post("/api/v1/webhook-endpoints", json={"url": "https://shop.example"})
    await api.create()
    payment_id = await api.create_captured()
    expect(201, await api.client.post(f"/api/v1/payments/{payment_id}/refunds", json={"amount": 100}))

    status = expect(200, await api.client.get(STATUS))

    assert (status["pending"], status["processing"], status["completed"], status["failed"]) == (2, 0, 1, 0)
    assert status["queues"]["payments"]["due"] == 2
    assert status["queues"]["webhooks"]["due"] == 3
    assert status["queues"]["payments"]["oldest_due_seconds"] >= 0


async def test_a_living_processor_is_seen(api: Api) -> None:
    async with api.database.statement() as connection:
        await renew_worker(connection, "wrk_1", "processor")

    assert expect(200, await api.client.get(STATUS))["worker_status"] == "running"


async def test_without_redis_the_rest_is_still_told(database_url: str, master_key: str) -> None:
    async with running_api(database_url, NO_REDIS, master_key) as api:
        status = expect(200, await api.client.get(STATUS))

    assert status["queues"]["payments"]["rings_waiting"] is None

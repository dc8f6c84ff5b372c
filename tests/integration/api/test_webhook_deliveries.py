"""Deliveries over HTTP: found by filter, read with their attempts, tried again; and a ping."""

import asyncio
from typing import Any

import pytest
import redis.asyncio as redis
from tests.support.api import Api, expect, expect_error
from tests.support.dispatchers import claim_as_one_that_died
from tests.support.records import number_all_events, read_rows, write_rows
from tests.support.waiting import wait_until
from tests.support.webhooks import DELIVERIES, ENDPOINTS, create_endpoint, list_deliveries, post, update_endpoint

from gateway_common.queue.messages import WEBHOOKS_STREAM

UNFIT = {
    "paused": "The webhook endpoint {} is paused. Enable it first.",
    "disabled": "The webhook endpoint {} is disabled. Enable it first.",
}


async def one_delivery(api: Api) -> dict[str, Any]:
    """A delivery to an endpoint that wants payments only."""
    await create_endpoint(api, event_types=["payment.created"])
    await api.create()
    [delivery] = await list_deliveries(api)
    return delivery


async def end(api: Api, status: str, *, attempts: int = 5) -> None:
    """Let every delivery have ended so."""
    statement = """
    UPDATE webhook_deliveries
    SET status = :status, attempts = :attempts, due_at = NULL, lane = 1, replay_id = 'rpl_1'
    """
    await write_rows(api.database, statement, status=status, attempts=attempts)
    await write_rows(api.database, "UPDATE webhook_endpoint_health SET look_at = NULL")


async def set_status(api: Api, status: str) -> None:
    await write_rows(
        api.database,
        """
        UPDATE webhook_endpoints SET status = :status,
            disabled_reason = CASE CAST(:status AS text) WHEN 'disabled' THEN 'gone' END
        """,
        status=status,
    )


async def retry(api: Api, delivery_id: str, key: str | None = None) -> Any:
    return await post(api, f"{DELIVERIES}/{delivery_id}/retry", key)


async def has_rung(url: str) -> bool:
    async with redis.Redis.from_url(url) as client:
        return bool(await client.xlen(WEBHOOKS_STREAM))


async def test_a_delivery_by_itself_shows_what_it_sends_and_that_nothing_was_tried(api: Api) -> None:
    delivery = await one_delivery(api)

    detail = expect(200, await api.client.get(f"{DELIVERIES}/{delivery['id']}"))

    [event] = await read_rows(api.database, "SELECT body FROM events")
    assert detail == delivery | {"request_body": bytes(event["body"]).decode(), "attempt_history": []}


async def test_its_attempts_are_shown_newest_first_with_all_that_is_known(api: Api) -> None:
    delivery = await one_delivery(api)
    await write_rows(
        api.database,
        """
        INSERT INTO webhook_attempts (
            delivery_id, number, started_at, duration_ms, dns_ms, wait_ms, request_headers, response_status,
            response_body, reason, error
        )
        SELECT
            :id, n, now() + n * interval '1 minute', n, 1, 2, '{"webhook-id": "evt_1"}',
            CASE WHEN n = 120 THEN 204 ELSE 500 END, '\\xff00e282b9', CASE WHEN n < 120 THEN 'status' END,
            CASE WHEN n < 120 THEN 'it answered 500' END
        FROM generate_series(1, 120) AS n
        """,
        id=delivery["id"],
    )

    attempts = expect(200, await api.client.get(f"{DELIVERIES}/{delivery['id']}"))["attempt_history"]

    assert [attempt["number"] for attempt in attempts] == list(range(120, 20, -1))
    assert (attempts[0]["delivered"], attempts[0]["response_status"], attempts[0]["reason"]) == (True, 204, None)
    assert attempts[1].pop("started_at").endswith("Z")
    assert attempts[1] == {
        "number": 119,
        "duration_ms": 119,
        "phases": {"dns_ms": 1, "connect_ms": None, "tls_ms": None, "wait_ms": 2, "read_ms": None},
        "request_headers": {"webhook-id": "evt_1"},
        "response_status": 500,
        "response_body": "\ufffd\x00₹",
        "reason": "status",
        "error": "it answered 500",
        "delivered": False,
    }


async def test_deliveries_are_found_by_each_filter_and_all_together(api: Api) -> None:
    first, second = (await create_endpoint(api))["id"], (await create_endpoint(api))["id"]
    await api.create()
    await write_rows(
        api.database,
        "UPDATE webhook_deliveries SET status = 'delivered', due_at = NULL WHERE endpoint_id = :id",
        id=first,
    )
    await api.create()
    everything = await list_deliveries(api)
    event_id = everything[-1]["event_id"]

    assert {each["endpoint_id"] for each in await list_deliveries(api, endpoint_id=first)} == {first}
    assert len(await list_deliveries(api, endpoint_id=first)) == 2
    assert {each["event_id"] for each in await list_deliveries(api, event_id=event_id)} == {event_id}
    [delivered] = await list_deliveries(api, status="delivered")
    assert await list_deliveries(api, endpoint_id=first, event_id=event_id, status="delivered") == [delivered]
    assert await list_deliveries(api, endpoint_id=second, status="delivered") == []
    assert await list_deliveries(api, status="pending") == [each for each in everything if each != delivered]
    assert len(await list_deliveries(api, endpoint_id=second, status="pending")) == 2
    for status in ("held", "failed", "cancelled"):
        assert await list_deliveries(api, status=status) == []
    moment = everything[0]["created_at"]
    later = await list_deliveries(api, created_from=moment)
    assert later + await list_deliveries(api, created_to=moment) == everything
    assert await list_deliveries(api, endpoint_id="we_unknown") == []
    assert await list_deliveries(api, event_id="evt_unknown") == []


@pytest.mark.parametrize("status", ["pending", "held", "failed", "delivered", "cancelled"])
async def test_pages_of_a_status_follow_each_other(api: Api, status: str) -> None:
    for _ in range(2):
        await create_endpoint(api)
    for _ in range(3):
        await api.create()
    await write_rows(
        api.database,
        "UPDATE webhook_deliveries SET status = :status, due_at = CASE WHEN :status = 'pending' THEN now() END",
        status=status,
    )

    found: list[str] = []
    query: dict[str, Any] = {"status": status, "limit": 4}
    while True:
        page = expect(200, await api.client.get(DELIVERIES, params=query))
        found += [each["id"] for each in page["data"]]
        if not page["has_more"]:
            break
        query["starting_after"] = page["next_cursor"]

    assert found == [each["id"] for each in await list_deliveries(api)]
    assert len(found) == 6


@pytest.mark.parametrize(
    "query",
    [{"status": "lost"}, {"endpoint_id": "a b"}, {"event_id": "x" * 65}, {"created_from": "1"}, {"replay": "1"}],
)
async def test_a_filter_that_makes_no_sense_is_refused(api: Api, query: dict[str, str]) -> None:
    expect_error(422, "validation_failed", await api.client.get(DELIVERIES, params=query))


@pytest.mark.parametrize("status", ["failed", "delivered", "cancelled"])
async def test_what_has_ended_is_tried_again_with_its_whole_schedule(api: Api, redis_url: str, status: str) -> None:
    delivery_id = (await one_delivery(api))["id"]
    await end(api, status)
    async with redis.Redis.from_url(redis_url) as client:
        await wait_until(lambda: has_rung(redis_url))
        await client.flushall()

    retried = expect(200, await retry(api, delivery_id))

    assert (retried["status"], retried["attempts"], retried["replay_id"]) == ("pending", 5, None)
    [row] = await read_rows(
        api.database, "SELECT lane, schedule_from, due_at <= now() AS is_due FROM webhook_deliveries"
    )
    assert row == {"lane": 1, "schedule_from": 5, "is_due": True}
    [health] = await read_rows(api.database, "SELECT look_at <= now() AS is_looked_at FROM webhook_endpoint_health")
    assert health == {"is_looked_at": True}
    await wait_until(lambda: has_rung(redis_url))


async def test_what_waits_for_its_time_is_due_now_and_keeps_its_schedule(api: Api) -> None:
    delivery_id = (await one_delivery(api))["id"]
    await write_rows(
        api.database,
        "UPDATE webhook_deliveries SET attempts = 3, schedule_from = 1, lane = 1, due_at = now() + interval '1 hour'",
    )
    await write_rows(api.database, "UPDATE webhook_endpoint_health SET look_at = now() + interval '1 hour'")

    expect(200, await retry(api, delivery_id))

    [row] = await read_rows(
        api.database,
        "SELECT lane, attempts, schedule_from, due_at <= now() AS is_due FROM webhook_deliveries",
    )
    assert row == {"lane": 1, "attempts": 3, "schedule_from": 1, "is_due": True}
    assert await claim_as_one_that_died(api.database, "wrk_one") == 1


async def test_an_attempt_under_way_is_not_doubled(api: Api) -> None:
    delivery_id = (await one_delivery(api))["id"]
    assert await claim_as_one_that_died(api.database, "wrk_one") == 1

    message = expect_error(409, "webhook_delivery_state_conflict", await retry(api, delivery_id))

    assert message == "An attempt at this delivery is under way."


@pytest.mark.parametrize("status", UNFIT)
async def test_nothing_is_sent_to_an_endpoint_that_takes_nothing(api: Api, status: str) -> None:
    delivery = await one_delivery(api)
    await end(api, "failed")
    await set_status(api, status)
    path = f"{ENDPOINTS}/{delivery['endpoint_id']}"

    for response in (
        await retry(api, delivery["id"]),
        await post(api, f"{path}/ping"),
        await post(api, f"{path}/replay"),
    ):
        message = expect_error(409, "webhook_endpoint_state_conflict", response)
        assert message == UNFIT[status].format(delivery["endpoint_id"])
    assert [each["status"] for each in await list_deliveries(api)] == ["failed"]
    assert await read_rows(api.database, "SELECT FROM webhook_replays") == []


async def test_what_was_for_a_deleted_endpoint_stays_as_it_is(api: Api) -> None:
    delivery = await one_delivery(api)
    await api.client.delete(f"{ENDPOINTS}/{delivery['endpoint_id']}")

    message = expect_error(409, "webhook_endpoint_state_conflict", await retry(api, delivery["id"]))

    assert message == f"The webhook endpoint {delivery['endpoint_id']} was deleted."
    expect_error(404, "not_found", await post(api, f"{ENDPOINTS}/{delivery['endpoint_id']}/ping"))
    assert [each["status"] for each in await list_deliveries(api)] == ["cancelled"]


async def test_what_is_held_by_an_endpoint_that_was_just_enabled_can_be_tried_at_once(api: Api) -> None:
    delivery = await one_delivery(api)
    await update_endpoint(api, delivery["endpoint_id"], status="paused")
    await set_status(api, "enabled")

    assert expect(200, await retry(api, delivery["id"]))["status"] == "pending"


async def test_a_retry_and_a_pause_at_once_leave_nothing_on_its_way(api: Api) -> None:
    delivery = await one_delivery(api)
    for turn in range(10):
        await end(api, "failed")
        retried, _ = await asyncio.gather(
            retry(api, delivery["id"]), update_endpoint(api, delivery["endpoint_id"], status="paused")
        )
        [after] = await list_deliveries(api)
        assert (retried.status_code, after["status"]) in {(200, "held"), (409, "failed")}, turn
        await update_endpoint(api, delivery["endpoint_id"], status="enabled")


async def test_retries_at_once_are_one(api: Api) -> None:
    delivery_id = (await one_delivery(api))["id"]
    await end(api, "failed")

    answers = await asyncio.gather(*(retry(api, delivery_id) for _ in range(5)))
    assert {response.status_code for response in answers} == {200}
    await end(api, "failed", attempts=6)
    first = await retry(api, delivery_id, "retry-once")
    await end(api, "failed", attempts=7)
    again = await retry(api, delivery_id, "retry-once")

    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert [each["status"] for each in await list_deliveries(api)] == ["failed"]


async def test_a_ping_is_one_event_for_one_endpoint_whatever_it_wants(api: Api, redis_url: str) -> None:
    endpoint = await create_endpoint(api, event_types=["refund.failed"])
    await create_endpoint(api)

    delivery = expect(201, await post(api, f"{ENDPOINTS}/{endpoint['id']}/ping"))

    assert await list_deliveries(api) == [delivery]
    assert (delivery["event_type"], delivery["endpoint_id"], delivery["status"]) == ("ping", endpoint["id"], "pending")
    assert await read_rows(api.database, "SELECT fan_out, type FROM events") == [{"fan_out": 1, "type": "ping"}]
    await number_all_events(api.database)
    event = expect(200, await api.client.get(f"/api/v1/events/{delivery['event_id']}"))
    del endpoint["secret"]
    assert (event["sequence"], event["data"]) == (1, {"webhook_endpoint": endpoint})
    await wait_until(lambda: has_rung(redis_url))
    assert await claim_as_one_that_died(api.database, "wrk_one") == 1


async def test_a_repeated_ping_is_one_ping(api: Api) -> None:
    path = f"{ENDPOINTS}/{(await create_endpoint(api))['id']}/ping"

    answers = [await post(api, path, "ping-once") for _ in range(2)]
    answers += await asyncio.gather(*(post(api, path, "ping-at-once") for _ in range(5)))

    assert {response.status_code for response in answers} <= {201, 409}
    assert answers[0].content == answers[1].content
    assert len(await list_deliveries(api)) == 2


@pytest.mark.parametrize("path", ["ping", "retry"])
async def test_what_takes_no_fields_takes_none(api: Api, path: str) -> None:
    delivery = await one_delivery(api)
    paths = {"ping": f"{ENDPOINTS}/{delivery['endpoint_id']}/ping", "retry": f"{DELIVERIES}/{delivery['id']}/retry"}

    message = expect_error(422, "validation_failed", await post(api, paths[path], force=True))

    assert message == "force: is not a field of this request."


async def test_an_unknown_delivery_is_not_found(api: Api) -> None:
    for response in (await api.client.get(f"{DELIVERIES}/dlv_unknown"), await retry(api, "dlv_unknown")):
        assert expect_error(404, "not_found", response) == "There is no such webhook delivery."

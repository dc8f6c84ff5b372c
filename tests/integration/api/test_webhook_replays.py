"""Replays over HTTP: asked for by time and status, listed, and how far they are."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.api import Api, expect, expect_error
from tests.support.records import read_rows, write_rows
from tests.support.webhooks import DELIVERIES, ENDPOINTS, REPLAYS, create_endpoint, list_deliveries, post

from gateway_common.webhooks.replay_store import advance_replays


async def shop_with_failures(api: Api, *, failed: int = 3, delivered: int = 2) -> str:
    """The id of an endpoint whose deliveries have ended so."""
    endpoint_id: str = (await create_endpoint(api))["id"]
    for number in range(failed + delivered):
        await api.create()
        await write_rows(
            api.database,
            "UPDATE webhook_deliveries SET status = :status, attempts = 1, due_at = NULL WHERE status = 'pending'",
            status="failed" if number < failed else "delivered",
        )
    # What was made this very millisecond is behind the end of a range that ends now.
    await asyncio.sleep(0.01)
    return endpoint_id


async def replay(api: Api, endpoint_id: str, **values: Any) -> dict[str, Any]:
    made: dict[str, Any] = expect(201, await post(api, f"{ENDPOINTS}/{endpoint_id}/replay", **values))
    return made


async def advance(api: Api) -> None:
    async with api.database.statement() as connection:
        while await advance_replays(connection, most=2):
            pass


async def test_what_failed_in_the_last_week_is_replayed_with_its_progress(api: Api) -> None:
    endpoint_id = await shop_with_failures(api)

    made = await replay(api, endpoint_id)

    assert made["id"].startswith("rpl_")
    begin, end = (datetime.fromisoformat(made[name]) for name in ("created_from", "created_to"))
    assert end - begin == timedelta(days=7)
    assert (made["which"], made["source"], made["status"]) == ("failed", "merchant", "running")
    assert (made["total"], made["queued"], made["waiting"]) == (3, 0, 0)
    await advance(api)
    read = expect(200, await api.client.get(f"{REPLAYS}/{made['id']}"))
    assert (read["status"], read["total"], read["queued"], read["waiting"]) == ("done", 3, 3, 3)
    assert {each["replay_id"] for each in await list_deliveries(api, status="pending")} == {made["id"]}

    await write_rows(
        api.database, "UPDATE webhook_deliveries SET status = 'delivered', due_at = NULL WHERE status = 'pending'"
    )
    assert expect(200, await api.client.get(f"{REPLAYS}/{made['id']}"))["waiting"] == 0


async def test_all_of_a_range_is_replayed_if_that_is_asked_for(api: Api) -> None:
    endpoint_id = await shop_with_failures(api)
    deliveries = await list_deliveries(api, endpoint_id=endpoint_id)

    everything = await replay(api, endpoint_id, status="all")
    some = await replay(
        api,
        endpoint_id,
        status="all",
        created_from=deliveries[3]["created_at"],
        created_to=deliveries[1]["created_at"],
    )

    assert (everything["total"], some["total"]) == (5, 2)


async def test_the_future_is_cut_off(api: Api) -> None:
    endpoint_id = await shop_with_failures(api, failed=1, delivered=0)

    made = await replay(api, endpoint_id, created_to="9999-12-31T23:59:59Z")

    assert made["created_to"] == made["created_at"]


NOTHING = "created_from: must be before created_to, and in the past."


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"created_from": "2999-01-01T00:00:00Z"}, NOTHING),
        ({"created_from": "2026-01-01T00:00:00Z", "created_to": "2026-01-01T00:00:00Z"}, NOTHING),
        ({"created_from": "2026-01-02T00:00:00Z", "created_to": "2026-01-01T00:00:00Z"}, NOTHING),
        ({"created_to": "0001-01-01T00:00:00Z"}, NOTHING),
        ({"created_from": "yesterday"}, "created_from: must be a time with its zone, such as 2026-01-31T18:30:00Z."),
        ({"created_to": 0}, "created_to: must be a time with its zone, such as 2026-01-31T18:30:00Z."),
        ({"status": "pending"}, "status: must be 'failed' or 'all'."),
        ({"status": None}, "status: must be 'failed' or 'all'."),
        ({"which": "all"}, "which: is not a field of this request."),
        ({"limit": 10}, "limit: is not a field of this request."),
    ],
)
async def test_a_range_that_makes_no_sense_is_refused(api: Api, values: dict[str, Any], message: str) -> None:
    endpoint_id = (await create_endpoint(api))["id"]

    refused = await post(api, f"{ENDPOINTS}/{endpoint_id}/replay", **values)

    assert expect_error(422, "validation_failed", refused) == message
    assert await read_rows(api.database, "SELECT FROM webhook_replays") == []


async def test_replays_are_listed_newest_first_page_by_page(api: Api) -> None:
    endpoint_id, other_id = await shop_with_failures(api), (await create_endpoint(api))["id"]
    made = [(await replay(api, endpoint_id))["id"] for _ in range(3)]
    path = f"{ENDPOINTS}/{endpoint_id}/replays"

    page = expect(200, await api.client.get(path, params={"limit": 2}))
    rest = expect(200, await api.client.get(path, params={"limit": 2, "starting_after": page["next_cursor"]}))

    assert [each["id"] for each in page["data"] + rest["data"]] == made[::-1]
    assert not rest["has_more"]
    assert expect(200, await api.client.get(f"{ENDPOINTS}/{other_id}/replays"))["data"] == []
    expect_error(404, "not_found", await api.client.get(f"{ENDPOINTS}/we_unknown/replays"))
    assert expect_error(404, "not_found", await api.client.get(f"{REPLAYS}/rpl_unknown")) == (
        "There is no such webhook replay."
    )


async def test_a_repeated_request_is_one_replay_and_two_replays_send_nothing_twice(api: Api) -> None:
    endpoint_id = await shop_with_failures(api)
    path = f"{ENDPOINTS}/{endpoint_id}/replay"

    first, again = [await post(api, path, "replay-once") for _ in range(2)]
    assert again.content == first.content
    await asyncio.gather(*(post(api, path) for _ in range(3)))
    await asyncio.gather(*(advance(api) for _ in range(3)))
    await advance(api)

    replays = expect(200, await api.client.get(f"{path}s"))["data"]
    assert len(replays) == 4
    assert sum(each["queued"] for each in replays) == 3
    assert {each["status"] for each in replays} == {"done"}


async def test_a_replay_goes_on_when_its_endpoint_is_enabled_and_stops_when_it_is_deleted(api: Api) -> None:
    endpoint_id = await shop_with_failures(api)
    replay_id = (await replay(api, endpoint_id))["id"]
    await api.client.patch(f"{ENDPOINTS}/{endpoint_id}", json={"status": "paused"})
    await advance(api)
    assert expect(200, await api.client.get(f"{REPLAYS}/{replay_id}"))["status"] == "running"

    await api.client.delete(f"{ENDPOINTS}/{endpoint_id}")
    await advance(api)

    assert expect(200, await api.client.get(f"{REPLAYS}/{replay_id}"))["status"] == "stopped"
    failed = expect(200, await api.client.get(DELIVERIES, params={"status": "failed"}))["data"]
    assert len(failed) == 3

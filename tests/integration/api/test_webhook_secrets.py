"""Signing secrets over HTTP: shown, rotated with an overlap, promoted, and ended by time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.support.api import Api, expect, expect_error, running_api
from tests.support.records import read_rows, write_rows
from tests.support.webhooks import ENDPOINTS, create_endpoint, list_deliveries, post, read_endpoint, update_endpoint

from gateway_common.clock import format_time


class HandClock:
    """Business time that a test moves by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def api(database_url: str, redis_url: str, master_key: str, clock: HandClock) -> AsyncIterator[Api]:
    async with running_api(database_url, redis_url, master_key, clock=clock) as api:
        yield api


async def rotate(api: Api, endpoint_id: str, **values: Any) -> dict[str, Any]:
    endpoint: dict[str, Any] = expect(200, await post(api, f"{ENDPOINTS}/{endpoint_id}/rotate-secret", **values))
    return endpoint


async def reveal(api: Api, endpoint_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = expect(200, await api.client.get(f"{ENDPOINTS}/{endpoint_id}/secret"))
    assert shown.pop("object") == "webhook_endpoint_secret"
    return shown


async def test_the_secret_is_shown_to_whoever_may_change_it_and_kept_by_no_cache(api: Api) -> None:
    endpoint = await create_endpoint(api)
    response = await api.client.get(f"{ENDPOINTS}/{endpoint['id']}/secret")

    assert response.headers["cache-control"] == "no-store"
    assert await reveal(api, endpoint["id"]) == {
        "secret": endpoint["secret"],
        "old_secret": None,
        "old_secret_expires_at": None,
        "plain_signature_uses": "current",
    }


async def test_a_rotated_secret_works_on_for_a_day(api: Api, clock: HandClock) -> None:
    endpoint = await create_endpoint(api)
    until = format_time(clock.now + timedelta(days=1))

    rotated = await rotate(api, endpoint["id"])

    assert rotated["secret"] != endpoint["secret"]
    assert (rotated["old_secret_expires_at"], rotated["version"]) == (until, 2)
    assert await reveal(api, endpoint["id"]) == {
        "secret": rotated["secret"],
        "old_secret": endpoint["secret"],
        "old_secret_expires_at": until,
        "plain_signature_uses": "old",
    }
    del rotated["secret"]
    assert await read_endpoint(api, endpoint["id"]) == rotated


async def test_without_an_overlap_the_old_secret_ends_at_once(api: Api) -> None:
    endpoint = await create_endpoint(api)

    rotated = await rotate(api, endpoint["id"], overlap_seconds=0)

    assert rotated["old_secret_expires_at"] is None
    shown = await reveal(api, endpoint["id"])
    assert (shown["secret"], shown["old_secret"], shown["plain_signature_uses"]) == (rotated["secret"], None, "current")
    refused = await post(api, f"{ENDPOINTS}/{endpoint['id']}/promote-secret")
    message = expect_error(409, "no_secret_rotation", refused)
    assert message == "There is no old secret, so the new one is used everywhere already."


async def test_a_rotation_under_way_must_end_before_the_next(api: Api, clock: HandClock) -> None:
    endpoint_id = (await create_endpoint(api))["id"]
    first = await rotate(api, endpoint_id)
    path = f"{ENDPOINTS}/{endpoint_id}/rotate-secret"

    message = expect_error(409, "secret_rotation_in_progress", await post(api, path))
    assert message == (
        f"The secret before this one signs X-Webhook-Signature until {first['old_secret_expires_at']}. "
        "Promote this one first."
    )
    assert (await reveal(api, endpoint_id))["secret"] == first["secret"]

    expect(200, await post(api, f"{ENDPOINTS}/{endpoint_id}/promote-secret"))
    second = await rotate(api, endpoint_id)
    shown = await reveal(api, endpoint_id)
    assert (shown["old_secret"], shown["plain_signature_uses"]) == (first["secret"], "old")

    clock.now += timedelta(days=1)
    third = await rotate(api, endpoint_id)
    assert (await reveal(api, endpoint_id))["old_secret"] == second["secret"] != third["secret"]


async def test_promoting_has_the_plain_header_follow_the_new_secret(api: Api) -> None:
    endpoint_id = (await create_endpoint(api))["id"]
    path = f"{ENDPOINTS}/{endpoint_id}/promote-secret"
    expect_error(409, "no_secret_rotation", await post(api, path))
    rotated = await rotate(api, endpoint_id)

    promoted = expect(200, await post(api, path))
    again = expect(200, await post(api, path))

    assert promoted["version"] == 3
    assert again == promoted
    assert promoted["old_secret_expires_at"] == rotated["old_secret_expires_at"]
    shown = await reveal(api, endpoint_id)
    assert shown["plain_signature_uses"] == "current"
    assert shown["old_secret"] is not None


async def test_an_old_secret_whose_time_is_over_is_not_shown_and_goes_with_the_next_change(
    api: Api, clock: HandClock
) -> None:
    endpoint_id = (await create_endpoint(api))["id"]
    await rotate(api, endpoint_id, overlap_seconds=60)
    kept = "SELECT sealed_old_secret IS NOT NULL AS kept FROM webhook_endpoints"
    clock.now += timedelta(seconds=60)

    shown = await reveal(api, endpoint_id)
    assert (shown["old_secret"], shown["plain_signature_uses"]) == (None, "current")
    assert (await read_endpoint(api, endpoint_id))["old_secret_expires_at"] is None
    assert (await update_endpoint(api, endpoint_id))["old_secret_expires_at"] is None
    [listed] = expect(200, await api.client.get(ENDPOINTS))["data"]
    assert listed["old_secret_expires_at"] is None
    expect_error(409, "no_secret_rotation", await post(api, f"{ENDPOINTS}/{endpoint_id}/promote-secret"))
    assert await read_rows(api.database, kept) == [{"kept": True}]

    await update_endpoint(api, endpoint_id, description="Shop")
    assert await read_rows(api.database, kept) == [{"kept": False}]


async def test_a_repeated_rotation_gives_the_same_secret_again_and_changes_nothing(api: Api) -> None:
    endpoint_id = (await create_endpoint(api))["id"]
    path = f"{ENDPOINTS}/{endpoint_id}/rotate-secret"
    with capture_logs() as logs:
        first = await post(api, path, "rotate-once")
        again = await post(api, path, "rotate-once")
    other = await post(api, path, "rotate-once", overlap_seconds=60)

    assert expect(200, again) == expect(200, first)
    assert again.headers["idempotent-replayed"] == "true"
    expect_error(422, "idempotency_key_reuse", other)
    rows = [
        await read_rows(api.database, f"SELECT * FROM {name}") for name in ("webhook_endpoints", "idempotency_keys")
    ]
    assert first.json()["secret"] not in repr([rows, logs])


async def test_of_rotations_at_once_one_wins(api: Api) -> None:
    endpoint = await create_endpoint(api)
    path = f"{ENDPOINTS}/{endpoint['id']}/rotate-secret"

    answers = await asyncio.gather(*(post(api, path) for _ in range(8)))

    assert sorted(response.status_code for response in answers) == [200] + [409] * 7
    shown = await reveal(api, endpoint["id"])
    [secret] = [response.json()["secret"] for response in answers if response.status_code == 200]
    assert (shown["secret"], shown["old_secret"]) == (secret, endpoint["secret"])


@pytest.mark.parametrize("overlap", [-1, 604_801, 1.5, "60", None, True, 10**30])
async def test_an_overlap_is_a_number_of_seconds_up_to_a_week(api: Api, overlap: Any) -> None:
    endpoint_id = (await create_endpoint(api))["id"]
    path = f"{ENDPOINTS}/{endpoint_id}/rotate-secret"

    expect_error(422, "validation_failed", await post(api, path, overlap_seconds=overlap))
    expect(200, await post(api, path, overlap_seconds=604_800))


async def test_a_secret_that_can_not_be_opened_any_more_can_be_rotated(api: Api) -> None:
    endpoint_id = (await create_endpoint(api))["id"]
    await write_rows(api.database, "UPDATE webhook_endpoints SET sealed_secret = 'broken'")

    message = expect_error(409, "conflict", await api.client.get(f"{ENDPOINTS}/{endpoint_id}/secret"))
    assert message == "The endpoint's secret can't be read any more: rotate it."

    rotated = await rotate(api, endpoint_id, overlap_seconds=0)
    assert (await reveal(api, endpoint_id))["secret"] == rotated["secret"]


async def test_a_deleted_endpoints_secret_is_gone(api: Api) -> None:
    endpoint_id = (await create_endpoint(api))["id"]
    await api.client.delete(f"{ENDPOINTS}/{endpoint_id}")

    expect_error(404, "not_found", await api.client.get(f"{ENDPOINTS}/{endpoint_id}/secret"))
    for action in ("rotate-secret", "promote-secret"):
        expect_error(404, "not_found", await post(api, f"{ENDPOINTS}/{endpoint_id}/{action}"))
    assert await list_deliveries(api) == []

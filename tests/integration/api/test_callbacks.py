"""What a provider sends: kept once and as it came, if it signed it; whoever did not is refused, and slowed down."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs
from tests.support.api import NO_DATABASE, Api, expect, expect_error, running_api
from tests.support.callbacks import SIGNED, SignedByWord, read_callbacks
from tests.support.waiting import wait_until

from gateway_common.queue.messages import HANDLE_CALLBACKS, PAYMENTS_STREAM

DOOR = "/api/v1/providers/bank/callbacks"
# Neither compact nor in order: what is kept must be these bytes.
BODY = b'{ "payment": "pay_1",\n "id": "evt_1", "note": "4242" }'
GUESS = {"X-Signed-By": "a guess"}
READERS = {"bank": SignedByWord()}


@pytest.fixture
async def open_api(database_url: str, redis_url: str, master_key: str) -> AsyncIterator[Api]:
    async with running_api(database_url, redis_url, master_key, readers=READERS) as api:
        yield api


async def send(
    api: Api, body: bytes = BODY, *, path: str = DOOR, headers: Mapping[str, str] = SIGNED
) -> httpx.Response:
    """Send as a provider does: with a signature, and no key."""
    async with api.browser() as provider:
        return await provider.post(path, content=body, headers=headers)


async def test_what_the_provider_signed_is_kept_as_it_came_and_is_due_at_once(open_api: Api) -> None:
    response = await send(open_api)

    assert expect(200, response) == {"received": True}
    [kept] = await read_callbacks(open_api.database)
    assert (kept["provider"], kept["event_id"], kept["payment_id"]) == ("bank", "evt_1", "pay_1")
    assert kept["body"] == BODY
    assert kept["outcome"] is None
    assert kept["due_in_seconds"] <= 0


async def test_the_body_is_not_read_as_json_by_anybody_but_the_provider_s_reader(open_api: Api) -> None:
    twice = b'{"id": "evt_1", "id": "evt_2", "payment": null, "deep": ' + b"[" * 100 + b"]" * 100 + b"}"

    expect(200, await send(open_api, twice, headers=SIGNED | {"Content-Type": "application/x-something"}))

    assert [kept["body"] for kept in await read_callbacks(open_api.database)] == [twice]


async def test_copies_of_one_event_are_answered_alike_and_kept_once(open_api: Api) -> None:
    responses = await asyncio.gather(*(send(open_api) for _ in range(10)))

    assert {response.status_code for response in responses} == {200}
    assert {response.text for response in responses} == {'{"received":true}'}
    assert len(await read_callbacks(open_api.database)) == 1


async def test_many_callbacks_ring_once_for_all_of_them(open_api: Api, redis_url: str) -> None:
    await asyncio.gather(*(send(open_api, json.dumps({"id": f"evt_{number}"}).encode()) for number in range(20)))

    async with Redis.from_url(redis_url) as client:

        async def is_rung() -> bool:
            return bool(await client.xlen(PAYMENTS_STREAM))

        await wait_until(is_rung)
        messages: Any = await client.xrange(PAYMENTS_STREAM)
    assert {json.loads(fields[b"data"])["task_name"] for _, fields in messages} == {HANDLE_CALLBACKS}
    assert len(messages) < 20


@pytest.mark.parametrize("signature", ["", "somebody else"])
async def test_what_the_provider_did_not_sign_is_refused_and_not_kept(open_api: Api, signature: str) -> None:
    response = await send(open_api, headers={"X-Signed-By": signature})

    assert expect_error(401, "invalid_signature", response) == "The callback is not signed by the provider."
    assert await read_callbacks(open_api.database) == []


@pytest.mark.parametrize("name", ["stripe", "simulator", "BANK", "bank ", "%00", "x" * 65])
async def test_a_provider_that_is_not_set_up_has_no_door(open_api: Api, name: str) -> None:
    expect_error(404, "not_found", await send(open_api, path=f"/api/v1/providers/{name}/callbacks"))


async def test_guessing_is_slowed_down_by_address_and_what_is_signed_never(
    database_url: str, redis_url: str, master_key: str
) -> None:
    async with running_api(database_url, redis_url, master_key, readers=READERS, rate_limit_per_address=1) as api:
        guesses = await asyncio.gather(*(send(api, headers=GUESS) for _ in range(20)))
        signed = await asyncio.gather(
            *(send(api, json.dumps({"id": f"evt_{number}"}).encode()) for number in range(20))
        )

    statuses = Counter(response.status_code for response in guesses)
    assert statuses.keys() == {401, 429}
    assert statuses[401] <= 6
    assert {response.status_code for response in signed} == {200}
    assert all("ratelimit-limit" not in response.headers for response in signed)


async def test_a_body_that_is_too_long_is_refused(database_url: str, redis_url: str, master_key: str) -> None:
    async with running_api(database_url, redis_url, master_key, readers=READERS) as api:
        response = await send(api, b"x" * (64 * 1024 + 1))

    expect_error(413, "payload_too_large", response)


async def test_a_compressed_body_is_refused_for_its_signature_could_not_be_checked(open_api: Api) -> None:
    expect_error(415, "unsupported_media_type", await send(open_api, headers=SIGNED | {"Content-Encoding": "gzip"}))


async def test_without_postgresql_the_provider_is_told_to_come_again(redis_url: str, master_key: str) -> None:
    async with running_api(NO_DATABASE, redis_url, master_key, readers=READERS) as api:
        signed, unsigned = await send(api), await send(api, headers=GUESS)

    expect_error(503, "unavailable", signed)
    expect_error(401, "invalid_signature", unsigned)


async def test_what_a_callback_says_is_in_no_line_of_the_log(open_api: Api) -> None:
    with capture_logs() as lines:
        await send(open_api)
        await send(open_api, headers=GUESS)

    [refused] = [line for line in lines if line["event"] == "callback.refused"]
    assert refused["error"] == "The callback is not signed by the provider."
    told: list[Any] = [line for line in lines if "4242" in str(line) or "evt_1" in str(line)]
    assert told == []

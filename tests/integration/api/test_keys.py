"""API keys over HTTP: made, rotated with an overlap and revoked, by who reaches as far, and never stored clear."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from tests.support.api import KEYS, Api, expect, expect_error, running_api
from tests.support.databases import TABLES

from gateway_api.auth import CACHED_SECONDS
from gateway_common.clock import format_time, system_clock
from gateway_common.merchants.model import Scope
from gateway_common.merchants.seed import TEST_KEY, TEST_SECRET

API_KEYS = "/api/v1/api-keys"
IDEMPOTENT = {"Idempotency-Key": "0b7f6a53-2b6e-4f4c-9d6f"}
ALL = ["read", "write", "refunds", "webhooks"]


class Moment:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


async def create(api: Api, **wanted: Any) -> dict[str, Any]:
    created: dict[str, Any] = expect(201, await api.client.post(API_KEYS, json={"scopes": ["read"]} | wanted))
    return created


def headers_of(key: dict[str, Any]) -> dict[str, str]:
    return {"X-Api-Key": key["id"], "X-Api-Secret": key["secret"]}


async def use(api: Api, key: dict[str, Any]) -> httpx.Response:
    return await api.client.get(API_KEYS, headers=headers_of(key))


async def rest() -> None:
    """Let the second pass in which a process still trusts what it knows of a key."""
    await asyncio.sleep(CACHED_SECONDS + 0.05)


async def test_a_new_key_works_at_once_with_the_scopes_it_was_given(api: Api) -> None:
    created = await create(api, name="Reports", scopes=["webhooks", "read", "read"])

    expect(200, await use(api, created))
    secret, key_id = created.pop("secret"), created.pop("id")
    assert key_id.startswith("key_test_")
    assert secret.startswith("secret_test_")
    assert created.pop("created_at").endswith("Z")
    assert created == {
        "object": "api_key",
        "name": "Reports",
        "scopes": ["read", "webhooks"],
        "livemode": False,
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": None,
        "replaced_by": None,
    }


async def test_the_secret_is_shown_only_in_the_answer_that_made_it(api: Api) -> None:
    created = await create(api)
    del created["secret"]

    assert expect(200, await api.client.get(f"{API_KEYS}/{created['id']}")) == created
    assert created in expect(200, await api.client.get(API_KEYS))["data"]


async def test_a_repeated_request_makes_one_key_and_gives_its_secret_again(api: Api) -> None:
    wanted = {"name": "Once", "scopes": ["read"]}
    first = await api.client.post(API_KEYS, json=wanted, headers=IDEMPOTENT)
    again = await api.client.post(API_KEYS, json=wanted, headers=IDEMPOTENT)

    assert expect(201, first) == expect(201, again)
    assert again.headers["idempotent-replayed"] == "true"
    path = f"{API_KEYS}/{first.json()['id']}/rotate"
    rotated, rotated_again = [await api.client.post(path, headers=IDEMPOTENT) for _ in range(2)]
    assert expect(201, rotated) == expect(201, rotated_again)
    assert len(expect(200, await api.client.get(API_KEYS))["data"]) == 3


async def test_no_secret_is_anywhere_in_the_database(api: Api, database_url: str) -> None:
    created = expect(201, await api.client.post(API_KEYS, json={"scopes": ALL}, headers=IDEMPOTENT))
    rotated = expect(201, await api.client.post(f"{API_KEYS}/{created['id']}/rotate", headers=IDEMPOTENT))
    await use(api, rotated)
    await api.uses.flush()

    everything = await asyncio.to_thread(dump, database_url)

    assert created["id"] in everything
    for secret in (created["secret"], rotated["secret"], TEST_SECRET):
        assert secret not in everything
        assert secret.removeprefix("secret_test_") not in everything
        assert secret.encode().hex() not in everything


def dump(database_url: str) -> str:
    """Every row of every table, as text."""
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(TABLES).fetchall()
        rows = [
            row[0]
            for (name,) in tables
            for row in connection.execute(SQL("SELECT row::text FROM {} AS row").format(Identifier(name)))
        ]
    return "\n".join(rows)


async def test_keys_are_listed_newest_first_page_by_page(api: Api) -> None:
    made = [(await create(api))["id"] for _ in range(3)]

    page = expect(200, await api.client.get(API_KEYS, params={"limit": 2}))
    following = {"limit": 2, "starting_after": page["next_cursor"]}
    rest_of_it = expect(200, await api.client.get(API_KEYS, params=following))

    # The published key's id holds no time and sorts by its letters.
    assert [key["id"] for key in page["data"] + rest_of_it["data"]] == [TEST_KEY, *reversed(made)]
    assert rest_of_it["has_more"] is False


@pytest.mark.parametrize(
    ("change", "param", "message"),
    [
        ({"scopes": []}, "scopes", "scopes: must have at least one entry."),
        ({"scopes": ["admin"]}, "scopes.0", None),
        ({"scopes": "read"}, "scopes", "scopes: must be a list."),
        ({"name": ""}, "name", "name: must not be empty."),
        ({"name": "x" * 101}, "name", "name: must have at most 100 characters."),
        ({"name": "a\0b"}, "name", "name: must not hold a NUL character."),
        ({"expires_at": 1893456000}, "expires_at", None),
        ({"expires_at": "2030-01-31T00:00:00"}, "expires_at", None),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at", None),
        ({"expires_at": "tomorrow"}, "expires_at", None),
        ({"expires_at": "2020-01-31T00:00:00Z"}, "expires_at", "expires_at: must be in the future, within ten years."),
        ({"expires_at": "9999-01-31T00:00:00Z"}, "expires_at", "expires_at: must be in the future, within ten years."),
        ({"livemode": True}, "livemode", "livemode: is not a field of this request."),
    ],
)
async def test_a_key_that_can_not_be_is_refused_in_words(
    api: Api, change: dict[str, Any], param: str, message: str | None
) -> None:
    response = await api.client.post(API_KEYS, json={"scopes": ["read"]} | change)

    said = expect_error(422, "validation_failed", response)
    assert response.json()["error"]["param"].startswith(param.partition(".")[0])
    if param == "expires_at" and message is None:
        message = "expires_at: must be a time with its zone, such as 2026-01-31T18:30:00Z."
    assert message in {None, said}


@pytest.mark.parametrize("overlap", [-1, 2_592_001, 1.5, "60", True, None])
async def test_an_overlap_that_can_not_be_is_refused(api: Api, overlap: object) -> None:
    key = await create(api)

    response = await api.client.post(f"{API_KEYS}/{key['id']}/rotate", json={"overlap_seconds": overlap})

    assert "overlap_seconds: must be " in expect_error(422, "validation_failed", response)


async def test_a_key_works_until_it_expires(database_url: str, redis_url: str, master_key: str) -> None:
    clock = Moment()
    async with running_api(database_url, redis_url, master_key, clock=clock) as api:
        key = await create(api, expires_at="2026-11-23T18:30:00.1239+05:30")
        assert key["expires_at"] == "2026-11-23T13:00:00.123Z"

        clock.now = datetime(2026, 11, 23, 13, 0, 0, 122_000, tzinfo=UTC)
        expect(200, await use(api, key))
        clock.now += timedelta(milliseconds=1)
        message = expect_error(401, "unauthenticated", await use(api, key))

    assert message == "This API key expired at 2026-11-23T13:00:00.123Z."


async def test_a_rotated_key_works_beside_its_successor_until_the_overlap_ends(
    database_url: str, redis_url: str, master_key: str
) -> None:
    clock = Moment()
    async with running_api(database_url, redis_url, master_key, clock=clock) as api:
        old = await create(api, name="Shop", scopes=["read", "refunds"])
        clock.now += timedelta(hours=1)
        new = expect(201, await api.client.post(f"{API_KEYS}/{old['id']}/rotate"))
        await rest()

        assert {new[name] == old[name] for name in ("name", "scopes", "livemode", "expires_at")} == {True}
        assert {new[name] != old[name] for name in ("id", "secret", "created_at")} == {True}
        shown = expect(200, await api.client.get(f"{API_KEYS}/{old['id']}"))
        assert (shown["replaced_by"], shown["expires_at"]) == (new["id"], "2026-11-24T13:00:00.000Z")
        clock.now += timedelta(days=1) - timedelta(milliseconds=1)
        expect(200, await use(api, old))
        expect(200, await use(api, new))
        clock.now += timedelta(milliseconds=1)
        message = expect_error(401, "unauthenticated", await use(api, old))
        assert message == f"This API key expired at 2026-11-24T13:00:00.000Z. {new['id']} replaces it."
        expect(200, await use(api, new))


async def test_a_rotation_given_again_shows_the_secret_to_nobody_who_could_not_rotate(api: Api) -> None:
    rotate = f"{API_KEYS}/{(await create(api, scopes=['read', 'write', 'refunds']))['id']}/rotate"
    key = {"Idempotency-Key": "rotate-2026-11"}
    first = await api.client.post(rotate, headers=key)
    lesser = await create(api, scopes=["write"])

    async with api.browser(**headers_of(lesser), **key) as thief:
        expect_error(403, "forbidden", await thief.post(rotate))

    assert (await api.client.post(rotate, headers=key)).json() == expect(201, first)


async def test_a_key_that_rotated_itself_hears_its_successors_secret_again(api: Api) -> None:
    own = await create(api, scopes=["read", "write"])
    async with api.browser(**headers_of(own), **{"Idempotency-Key": "rotate-myself"}) as owner:
        first = expect(201, await owner.post(f"{API_KEYS}/{own['id']}/rotate"))
        await rest()

        assert expect(201, await owner.post(f"{API_KEYS}/{own['id']}/rotate")) == first


async def test_neither_an_ending_nor_a_rotated_key_makes_one_that_outlives_it(api: Api) -> None:
    end = format_time(system_clock() + timedelta(hours=1))
    ending = await create(api, scopes=["read", "write"], expires_at=end)
    async with api.browser(**headers_of(ending)) as caller:
        for later in ({}, {"expires_at": format_time(system_clock() + timedelta(hours=2))}):
            response = await caller.post(API_KEYS, json={"scopes": ["read"]} | later)
            assert end in expect_error(422, "validation_failed", response)
        expect(201, await caller.post(API_KEYS, json={"scopes": ["read"], "expires_at": end}))

    rotated = await create(api, scopes=["read", "write"])
    successor = expect(201, await api.client.post(f"{API_KEYS}/{rotated['id']}/rotate"))["id"]
    async with api.browser(**headers_of(rotated)) as caller:
        for path, body in ((API_KEYS, {"scopes": ["read"]}), (f"{API_KEYS}/{ending['id']}/rotate", {})):
            assert successor in expect_error(403, "forbidden", await caller.post(path, json=body))


async def test_without_overlap_the_old_secret_ends_within_a_second(api: Api) -> None:
    old = await create(api)
    expect(200, await use(api, old))

    new = expect(201, await api.client.post(f"{API_KEYS}/{old['id']}/rotate", json={"overlap_seconds": 0}))

    await expect_end_within_a_second(api, old)
    expect(200, await use(api, new))


async def test_a_key_is_rotated_once_also_by_many_at_once(api: Api) -> None:
    key = await create(api)

    answers = await asyncio.gather(*(api.client.post(f"{API_KEYS}/{key['id']}/rotate") for _ in range(10)))

    (made,) = [answer.json() for answer in answers if answer.status_code == 201]
    refused = [expect_error(409, "conflict", answer) for answer in answers if answer.status_code != 201]
    assert refused == [f"This API key was rotated before: {made['id']} replaces it."] * 9
    assert len(expect(200, await api.client.get(API_KEYS))["data"]) == 3


async def test_a_revoked_or_expired_key_is_not_rotated(api: Api) -> None:
    revoked = await create(api)
    expect(200, await api.client.post(f"{API_KEYS}/{revoked['id']}/revoke"))
    await api.add_key("key_test_expired", "mer_test", "s", expires_at=system_clock() - timedelta(days=1))

    for key_id, reason in ((revoked["id"], "was revoked at"), ("key_test_expired", "expired at")):
        response = await api.client.post(f"{API_KEYS}/{key_id}/rotate")

        assert reason in expect_error(409, "conflict", response)


async def test_revoking_ends_a_key_within_a_second_and_may_be_repeated(api: Api) -> None:
    key = await create(api)
    expect(200, await use(api, key))

    first = expect(200, await api.client.post(f"{API_KEYS}/{key['id']}/revoke"))
    again = expect(200, await api.client.post(f"{API_KEYS}/{key['id']}/revoke", json={}))

    assert first == again
    assert first["revoked_at"].endswith("Z")
    await expect_end_within_a_second(api, key)


async def test_a_key_may_revoke_itself(api: Api) -> None:
    key = await create(api, scopes=["write"])

    expect(200, await api.client.post(f"{API_KEYS}/{key['id']}/revoke", headers=headers_of(key)))

    await expect_end_within_a_second(api, key)


async def expect_end_within_a_second(api: Api, key: dict[str, Any]) -> None:
    deadline = time.monotonic() + CACHED_SECONDS + 1
    while (response := await use(api, key)).status_code != 401:
        assert time.monotonic() < deadline, "the key still works"
        await asyncio.sleep(0.05)
    assert "This API key" in expect_error(401, "unauthenticated", response)


async def test_nobody_makes_rotates_or_revokes_a_key_that_may_more_than_its_own(api: Api) -> None:
    own = await api.add_key("key_test_own", "mer_test", "secret", scopes=frozenset({Scope.WRITE, Scope.READ}))

    for method, path, body in (
        ("POST", API_KEYS, {"scopes": ["read", "refunds", "webhooks"]}),
        ("POST", f"{API_KEYS}/{TEST_KEY}/rotate", None),
        ("POST", f"{API_KEYS}/{TEST_KEY}/revoke", None),
    ):
        response = await api.client.request(method, path, json=body, headers=own)

        message = expect_error(403, "forbidden", response)
        assert message.endswith("It lacks: refunds, webhooks.")
    assert expect(200, await api.client.get(f"{API_KEYS}/{TEST_KEY}"))["revoked_at"] is None
    made = expect(201, await api.client.post(API_KEYS, json={"scopes": ["read"]}, headers=own))
    expect(201, await api.client.post(f"{API_KEYS}/{made['id']}/rotate", headers=own))


async def test_keys_of_another_merchant_or_mode_do_not_exist(api: Api) -> None:
    other = await api.add_key("key_test_other", "mer_other", "secret-of-the-other")
    live = await api.add_key("key_live_same", "mer_test", "secret-of-the-live")

    for keys, hidden in ((other, TEST_KEY), (live, TEST_KEY), (KEYS, "key_test_other"), (KEYS, "key_live_same")):
        for method, path in (("GET", ""), ("POST", "/rotate"), ("POST", "/revoke")):
            response = await api.client.request(method, f"{API_KEYS}/{hidden}{path}", headers=keys)
            expect_error(404, "not_found", response)
        listed = expect(200, await api.client.get(API_KEYS, headers=keys))["data"]
        assert [key["id"] for key in listed] == [keys["X-Api-Key"]]


async def test_a_live_key_makes_live_keys(api: Api) -> None:
    live = await api.add_key("key_live_first", "mer_test", "secret-of-the-live")

    made = expect(201, await api.client.post(API_KEYS, json={"scopes": ["read"]}, headers=live))

    assert made["livemode"] is True
    assert made["id"].startswith("key_live_")
    assert made["secret"].startswith("secret_live_")

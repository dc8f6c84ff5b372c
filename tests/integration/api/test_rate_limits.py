"""Rate limits over HTTP: whose bucket a request takes from, what the answer says, and what happens without Redis."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from tests.support.api import KEYS, NEW_PAYMENT, NO_REDIS, Api, expect, expect_error, running_api
from tests.support.redis_server import silent_server

from gateway_api.token_buckets import TIMEOUT_SECONDS
from gateway_common.merchants.seed import TEST_KEY, TEST_SECRET

# Redis gets 100 ms, and a crowded machine takes longer: then everybody is let through, as it should be.
pytestmark = pytest.mark.alone
PAYMENTS = "/api/v1/payments"
ORDER = "/api/v1/checkout/orders/ord_1"
HEADERS = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")
WRONG = KEYS | {"X-Api-Secret": "wrong"}
PAGE = {"X-Api-Key": TEST_KEY}
PEER = "198.51.100.7"


def client_from(api: Api, address: str, **headers: str) -> httpx.AsyncClient:
    """Make a client whose connection comes from this address."""
    transport = httpx.ASGITransport(api.app, client=(address, 40_000))
    return httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers)


async def statuses_of(client: httpx.AsyncClient, count: int, path: str = PAYMENTS, **more: Any) -> Counter[int]:
    responses = await asyncio.gather(*(client.get(path, **more) for _ in range(count)))
    return Counter(response.status_code for response in responses)


def checks(bucket: str, outcome: str) -> float:
    labels = {"bucket": bucket, "outcome": outcome}
    return REGISTRY.get_sample_value("gateway_rate_limit_checks_total", labels) or 0.0


async def test_a_keys_bucket_is_one_for_all_instances(database_url: str, redis_url: str, master_key: str) -> None:
    settings: dict[str, Any] = {"rate_limit_per_key": 25}
    async with (
        running_api(database_url, redis_url, master_key, **settings) as one,
        running_api(database_url, redis_url, master_key, **settings) as other,
    ):
        started = time.monotonic()
        both = await asyncio.gather(statuses_of(one.client, 100), statuses_of(other.client, 100))
        refilled = (time.monotonic() - started) * 25

    statuses = both[0] + both[1]
    assert statuses.keys() == {200, 429}
    assert 50 <= statuses[200] <= 50 + refilled


async def test_every_answer_says_how_much_is_left_also_an_error(api: Api) -> None:
    responses = [
        await api.client.get(PAYMENTS),
        await api.client.post(PAYMENTS, json=NEW_PAYMENT),
        await api.client.post(PAYMENTS, json={}),
        await api.client.get(f"{PAYMENTS}/pay_none"),
    ]

    assert [response.status_code for response in responses] == [200, 201, 422, 404]
    for response in responses:
        limit, remaining, reset = (int(response.headers[name]) for name in HEADERS)
        assert (limit, reset) == (2_000, 1)
        assert 1_990 < remaining < 2_000
        assert "retry-after" not in response.headers


async def test_too_many_requests_are_told_when_to_come_again(
    database_url: str, redis_url: str, master_key: str
) -> None:
    async with running_api(database_url, redis_url, master_key, rate_limit_per_key=1) as api:
        responses = await asyncio.gather(*(api.client.post(PAYMENTS, json=NEW_PAYMENT) for _ in range(20)))
        refused = [response for response in responses if response.status_code == 429]
        made = expect(200, await _when_allowed(api))["data"]

    assert 0 < len(made) == 20 - len(refused) < 10
    for response in refused:
        assert expect_error(429, "rate_limited", response) == "Too many requests. Try again in 1 s."
        assert response.json()["error"]["retryable"] is True, "nothing was begun"
        assert response.headers["retry-after"] == "1"
        assert [response.headers[name] for name in HEADERS] == ["2", "0", "2"]


async def _when_allowed(api: Api) -> httpx.Response:
    response = await api.client.get(PAYMENTS)
    if response.status_code == 429:
        await asyncio.sleep(float(response.headers["retry-after"]))
        response = await api.client.get(PAYMENTS)
    return response


async def test_a_flood_of_wrong_secrets_is_stopped_and_harms_neither_the_key_nor_other_addresses(
    database_url: str, redis_url: str, master_key: str
) -> None:
    before = checks("address", "limited")
    async with (
        running_api(database_url, redis_url, master_key, rate_limit_per_address=1) as api,
        client_from(api, PEER) as attacker,
        client_from(api, "198.51.100.8") as stranger,
    ):
        flood = await statuses_of(attacker, 50, headers=WRONG)
        without = await statuses_of(attacker, 10)
        other = await stranger.get(PAYMENTS, headers=WRONG)
        owner = await attacker.get(PAYMENTS, headers=KEYS)

    assert flood.keys() | without.keys() == {401, 429}
    assert flood[401] + without[401] < 10
    assert checks("address", "limited") - before == flood[429] + without[429]
    expect_error(401, "unauthenticated", other)
    assert [other.headers[name] for name in HEADERS] == ["4", "3", "1"]
    expect(200, owner)
    assert owner.headers["ratelimit-limit"] == "2000"


async def test_a_page_takes_from_its_address_and_may_read_the_numbers(
    database_url: str, redis_url: str, master_key: str
) -> None:
    shop = PAGE | {"Origin": "https://shop.example"}
    async with (
        running_api(database_url, redis_url, master_key, rate_limit_per_address=1) as api,
        client_from(api, PEER, **shop) as page,
    ):
        first = await page.get(ORDER)
        await statuses_of(page, 10, ORDER)
        refused = await page.get(ORDER)

    assert [first.headers[name] for name in HEADERS] == ["4", "3", "1"]
    expect_error(429, "rate_limited", refused)
    for response in (first, refused):
        exposed = response.headers["access-control-expose-headers"].lower()
        assert all(name in exposed for name in (*HEADERS, "retry-after"))


async def test_probes_the_description_and_test_routes_are_not_limited(
    database_url: str, redis_url: str, master_key: str
) -> None:
    async with (
        running_api(database_url, redis_url, master_key, rate_limit_per_address=1) as api,
        api.browser() as anybody,
    ):
        for path in ("/healthz", "/readyz", "/openapi.json", "/api/v1/test/jobs/status"):
            for _ in range(8):
                response = await anybody.get(path)
                assert response.status_code == 200
                assert not any(name in response.headers for name in HEADERS)


@pytest.fixture
async def slow_api(database_url: str, redis_url: str, master_key: str) -> AsyncIterator[Api]:
    """Run an API whose buckets fill slowly enough to be looked at, behind proxies that it trusts."""
    settings: dict[str, Any] = {
        "rate_limit_per_key": 1,
        "rate_limit_per_address": 1,
        "trusted_proxies": "10.0.0.0/8,2001:db8:ff::/48",
    }
    async with running_api(database_url, redis_url, master_key, **settings) as api:
        yield api


async def test_redis_gets_to_know_no_secret(slow_api: Api, redis_url: str) -> None:
    await slow_api.client.get(PAYMENTS)
    await slow_api.client.get(PAYMENTS, headers=WRONG)
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        names = set(await client.keys("gateway:limits:*"))
        held = [await client.get(name) for name in names]

    assert names == {f"gateway:limits:key:{TEST_KEY}", "gateway:limits:address:127.0.0.1"}
    assert not any(TEST_SECRET in str(value) for value in held)


async def test_without_redis_everybody_is_let_through_and_counted(database_url: str, master_key: str) -> None:
    before = checks("key", "skipped")
    async with running_api(database_url, NO_REDIS, master_key, rate_limit_per_key=1) as api:
        responses = [await api.client.get(PAYMENTS) for _ in range(20)]

    assert {response.status_code for response in responses} == {200}
    assert not any(name in response.headers for response in responses for name in HEADERS)
    assert checks("key", "skipped") - before == 20


async def test_a_redis_that_hangs_slows_a_request_by_no_more_than_the_timeout(
    database_url: str, master_key: str
) -> None:
    before = checks("key", "skipped")
    async with silent_server() as url, running_api(database_url, url, master_key, rate_limit_per_key=1) as api:
        started = time.monotonic()
        statuses = await statuses_of(api.client, 20)
        first = time.monotonic() - started
        started = time.monotonic()
        statuses += await statuses_of(api.client, 20)
        then = time.monotonic() - started

    assert statuses == {200: 40}
    assert first < TIMEOUT_SECONDS + 1
    assert then < 1
    assert checks("key", "skipped") - before == 40


async def test_by_default_nobody_is_believed_about_its_address_not_even_this_machine(
    database_url: str, redis_url: str, master_key: str
) -> None:
    async with running_api(database_url, redis_url, master_key, rate_limit_per_address=1) as api:
        for peer in (PEER, "127.0.0.1", "::1"):
            async with client_from(api, peer, **WRONG) as client:
                for forwarded in ("203.0.113.1", "203.0.113.2, 127.0.0.1", "garbage"):
                    await client.get(PAYMENTS, headers={"X-Forwarded-For": forwarded})

    assert await _addresses(redis_url) == {PEER, "127.0.0.1", "::/64"}


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("10.1.2.3", ["203.0.113.1"], "203.0.113.1"),
        ("10.1.2.3", ["6.6.6.6, 203.0.113.1, 10.9.9.9"], "203.0.113.1"),
        ("10.1.2.3", ["6.6.6.6", "203.0.113.1"], "203.0.113.1"),
        ("10.1.2.3", ["203.0.113.1:51000"], "203.0.113.1"),
        ("2001:db8:ff::1", ["2001:db8:7:8::9"], "2001:db8:7:8::/64"),
        ("2001:db8:ff::1", ["6.6.6.6, [2001:db8:7:8::9]:443, 10.0.0.1"], "2001:db8:7:8::/64"),
        ("10.1.2.3", ["10.4.4.4"], "10.4.4.4"),
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", [""], "10.1.2.3"),
        ("10.1.2.3", ["6.6.6.6, "], "10.1.2.3"),
        ("10.1.2.3", ["6.6.6.6, garbage"], "unknown"),
        ("10.1.2.3", ["[::1"], "unknown"),
        ("10.1.2.3", ["1.2.3.4:" + "9" * 5000], "unknown"),
        ("10.1.2.3", ["\xe9\x00"], "unknown"),
        (PEER, ["203.0.113.1"], PEER),
        ("127.0.0.1", ["203.0.113.1"], "127.0.0.1"),
    ],
)
async def test_of_what_trusted_proxies_say_the_last_address_that_is_not_theirs_counts(
    slow_api: Api, redis_url: str, peer: str, forwarded: list[str], counted: str
) -> None:
    headers = [(b"X-Forwarded-For", value.encode("latin-1")) for value in forwarded]
    async with client_from(slow_api, peer) as client:
        expect_error(401, "unauthenticated", await client.get(PAYMENTS, headers=headers))

    assert await _addresses(redis_url) == {counted}


async def _addresses(redis_url: str) -> set[str]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        return {str(name).split(":", 3)[3] for name in await client.keys("gateway:limits:address:*")}

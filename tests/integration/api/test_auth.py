"""Who may do what over HTTP: a key with its secret, its own merchant's objects, its own mode."""

import asyncio
import base64
import time
from datetime import UTC, datetime, timedelta

import httpx
from tests.support.api import KEYS, NEW_PAYMENT, Api, expect, expect_error

from gateway_api.auth import CACHED_SECONDS
from gateway_common.clock import system_clock
from gateway_common.merchants.seed import TEST_KEY, TEST_SECRET

PAYMENTS = "/api/v1/payments"
ENDPOINTS = "/api/v1/webhook-endpoints"
REFUSED = "The API key or its secret is wrong."
HOW = "Send the headers X-Api-Key and X-Api-Secret, or HTTP Basic with the same pair."


def basic(key: str, secret: str, scheme: str = "Basic") -> dict[str, str]:
    return {"Authorization": f"{scheme} {base64.b64encode(f'{key}:{secret}'.encode()).decode()}"}


async def get_with(api: Api, headers: dict[str, str] | dict[bytes, bytes]) -> httpx.Response:
    async with api.browser() as client:
        return await client.get(PAYMENTS, headers=headers)


async def test_the_header_pair_and_http_basic_open_the_same_merchant(api: Api) -> None:
    payment = await api.create()

    for headers in (KEYS, basic(TEST_KEY, TEST_SECRET), basic(TEST_KEY, TEST_SECRET, scheme="bAsIc")):
        page = expect(200, await get_with(api, headers))

        assert page["data"] == [payment]


async def test_without_credentials_it_says_how_to_send_them(api: Api) -> None:
    for headers in ({}, {"X-Api-Key": TEST_KEY}, {"X-Api-Secret": TEST_SECRET}, {"Authorization": "Bearer abc"}):
        response = await get_with(api, headers)

        assert expect_error(401, "unauthenticated", response) == HOW
        assert response.headers["www-authenticate"].startswith("Basic ")


async def test_wrong_credentials_are_refused_alike_whatever_is_wrong(api: Api) -> None:
    revoked = await api.add_key("key_test_revoked", "mer_a", "secret-a", revoked_at=system_clock())
    cases = [
        KEYS | {"X-Api-Secret": "secret_test_xyz788"},
        KEYS | {"X-Api-Secret": ""},
        KEYS | {"X-Api-Key": "key_test_unknown"},
        KEYS | {"X-Api-Key": "key_test_unknown", "X-Api-Secret": ""},
        KEYS | {"X-Api-Key": TEST_KEY.upper()},
        KEYS | {"X-Api-Key": ""},
        KEYS | {"X-Api-Key": "key_test_" + "x" * 10_000},
        KEYS | {"X-Api-Key": "key_test_abc123' OR '1'='1"},
        basic(TEST_KEY, "wrong"),
        basic(TEST_KEY, ""),
        basic("", ""),
        basic("key_test_\0", "x"),
        basic("key_test_₹", "₹"),
        {"X-Api-Key": "key_test_\xe9", "X-Api-Secret": "\xe9"},
        revoked | {"X-Api-Secret": "secret-b"},
    ]

    for headers in cases:
        sent = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
        response = await get_with(api, sent)

        assert expect_error(401, "unauthenticated", response) == REFUSED


async def test_a_key_that_ended_says_so_to_who_has_its_secret(api: Api) -> None:
    past = datetime(2026, 1, 31, 12, tzinfo=UTC)
    revoked = await api.add_key("key_test_revoked", "mer_a", "secret-a", revoked_at=past)
    expired = await api.add_key("key_test_expired", "mer_a", "secret-b", expires_at=past)
    replaced = await api.add_key(
        "key_test_replaced", "mer_a", "secret-c", expires_at=past, replaced_by="key_test_newer"
    )

    messages = [
        expect_error(401, "unauthenticated", await get_with(api, headers)) for headers in (revoked, expired, replaced)
    ]

    assert messages == [
        "This API key was revoked at 2026-01-31T12:00:00.000Z.",
        "This API key expired at 2026-01-31T12:00:00.000Z.",
        "This API key expired at 2026-01-31T12:00:00.000Z. key_test_newer replaces it.",
    ]


async def test_a_malformed_basic_header_is_refused_in_words(api: Api) -> None:
    for value in ("Basic", "Basic ", "Basic !!!", "Basic a", "Basic /w==", "Basic  =", "Basic ====", "basic \xe9"):
        response = await get_with(api, {b"Authorization": value.encode("latin-1")})

        assert expect_error(401, "unauthenticated", response)


async def test_a_key_that_expires_later_works_until_then(api: Api) -> None:
    later = await api.add_key("key_test_later", "mer_a", "secret-a", expires_at=system_clock() + timedelta(hours=1))

    expect(200, await get_with(api, later))


async def test_a_revoked_key_stops_working_within_moments(api: Api) -> None:
    keys = await api.add_key("key_test_brief", "mer_a", "secret-a")
    expect(200, await get_with(api, keys))

    await api.add_key("key_test_brief", "mer_a", "secret-a", revoked_at=system_clock())

    await expect_refusal_within(api, keys, CACHED_SECONDS)


async def test_after_a_new_secret_the_old_one_stops_working_within_moments(api: Api) -> None:
    old = await api.add_key("key_test_brief", "mer_a", "old-secret")
    expect(200, await get_with(api, old))

    new = await api.add_key("key_test_brief", "mer_a", "new-secret")

    await expect_refusal_within(api, old, CACHED_SECONDS)
    expect(200, await get_with(api, new))


async def expect_refusal_within(api: Api, keys: dict[str, str], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (response := await get_with(api, keys)).status_code == 200:
        assert time.monotonic() < deadline + 1, "the key still works"
        await asyncio.sleep(0.05)
    expect_error(401, "unauthenticated", response)


async def test_several_keys_of_one_merchant_see_the_same(api: Api) -> None:
    payment = await api.create()
    second = await api.add_key("key_test_second", "mer_test", "second-secret")

    assert expect(200, await get_with(api, second))["data"] == [payment]


async def test_another_merchants_objects_do_not_exist(api: Api) -> None:
    payment_id = await api.create_captured()
    refund = expect(201, await api.client.post(f"{PAYMENTS}/{payment_id}/refunds", json={"amount": 100}))
    endpoint = expect(201, await api.client.post(ENDPOINTS, json={"url": "https://shop.example"}))
    await api.create()
    other = await api.add_key("key_test_other", "mer_other", "secret-of-the-other")

    await expect_nothing(api, other, payment_id=payment_id, refund_id=refund["id"], endpoint_id=endpoint["id"])
    assert expect(200, await api.client.get(f"{ENDPOINTS}/{endpoint['id']}"))["status"] == "enabled"


async def test_live_keys_see_no_test_objects_and_test_keys_no_live_ones(api: Api) -> None:
    payment_id = await api.create_captured()
    refund = expect(201, await api.client.post(f"{PAYMENTS}/{payment_id}/refunds", json={"amount": 100}))
    endpoint = expect(201, await api.client.post(ENDPOINTS, json={"url": "https://shop.example"}))
    live = await api.add_key("key_live_same", "mer_test", "secret-of-the-live")

    await expect_nothing(api, live, payment_id=payment_id, refund_id=refund["id"], endpoint_id=endpoint["id"])
    order = {"amount": 50_000, "currency": "INR", "reference": "same"}
    created = expect(201, await api.client.post("/api/v1/orders", json=order, headers=live))
    assert created["livemode"] is True
    expect_error(404, "not_found", await api.client.get(f"/api/v1/orders/{created['id']}"))
    expect_error(404, "not_found", await api.client.get("/api/v1/orders/same"))
    expect(201, await api.client.post("/api/v1/orders", json=order))


async def test_no_live_payment_is_made_while_only_the_simulator_could_take_it(api: Api) -> None:
    live = await api.add_key("key_live_same", "mer_test", "secret-of-the-live")

    response = await api.client.post(PAYMENTS, json=NEW_PAYMENT, headers=live)

    expect_error(409, "no_provider", response)
    assert expect(200, await api.client.get(PAYMENTS, headers=live))["data"] == []


async def expect_nothing(api: Api, keys: dict[str, str], *, payment_id: str, refund_id: str, endpoint_id: str) -> None:
    """With these keys none of the objects can be read, changed or listed."""
    single = [
        ("GET", f"{PAYMENTS}/{payment_id}"),
        ("POST", f"{PAYMENTS}/{payment_id}/capture"),
        ("POST", f"{PAYMENTS}/{payment_id}/refunds"),
        ("GET", f"{PAYMENTS}/{payment_id}/refunds"),
        ("GET", f"/api/v1/refunds/{refund_id}"),
        ("GET", f"{ENDPOINTS}/{endpoint_id}"),
        ("DELETE", f"{ENDPOINTS}/{endpoint_id}"),
    ]
    for method, path in single:
        expect_error(404, "not_found", await api.client.request(method, path, headers=keys))
    for path in (PAYMENTS, "/api/v1/refunds", ENDPOINTS, "/api/v1/webhook-deliveries"):
        assert expect(200, await api.client.get(path, headers=keys))["data"] == []

"""Every route of the served document, tried by everybody it is not for: nothing is shown, and nothing moves.

A new route is tried by itself: its path parameters are filled by name with what merchant A owns.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from tests.support.api import KEYS, Api, expect
from tests.support.databases import TABLES
from tests.support.records import number_all_events, read_rows
from tests.support.scopes import needed_scope

from gateway_common.merchants.model import Scope

A: Final = "of-merchant-a"
"""Stands in all that merchant A wrote, so that it is recognized wherever it comes out."""
A_KEY: Final = "idempotency-of-merchant-a"
AMOUNT: Final = 8_765_432
# Routes that anybody may ask, without a key: they show nothing of a merchant.
OPEN: Final = {"GET /api/v1/test/jobs/status", "POST /api/v1/providers/{name}/callbacks"}
# A page that asks for an unknown order in test mode is shown one of 500.00 INR that is made up on the spot.
MADE_UP: Final = {"GET /api/v1/checkout/orders/{order_id}"}
# What a route needs in its body before it looks for the object in its path.
BODIES: Final[dict[str, dict[str, Any]]] = {
    "POST /api/v1/test/payments/{payment_id}/outcome": {"outcome": "success"},
    "PATCH /api/v1/webhook-endpoints/{endpoint_id}": {"status": "paused"},
    "POST /api/v1/webhook-endpoints/{endpoint_id}/check-signature": {"body": "{}", "headers": {}},
}


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    security: list[dict[str, Any]]
    query: dict[str, str]
    """The pattern of each query parameter, if it has one."""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def is_publishable(self) -> bool:
        """Whether the key alone opens it, without its secret."""
        return all("ApiSecret" not in each and "Basic" not in each for each in self.security)

    def filled(self, owned: dict[str, str]) -> str:
        """Its path with the objects that merchant A owns."""
        for parameter in self.parameters:
            assert parameter in owned, (
                f"{self.name} takes a {parameter}, and this test knows none of merchant A: "
                f"make one in `owned_by_a` and give its id there under this name."
            )
        return self.path.format_map(owned)


@pytest.fixture
async def owned(api: Api) -> dict[str, str]:
    """One of everything, merchant A's, by the name of the path parameter that takes it."""
    return await owned_by_a(api)


async def owned_by_a(api: Api) -> dict[str, str]:
    post = api.client.post
    endpoint = {"url": f"https://{A}.example/hook"}
    created_endpoint = expect(201, await post("/api/v1/webhook-endpoints", json=endpoint))
    endpoint_id = created_endpoint["id"]
    order = {"amount": AMOUNT, "currency": "INR", "reference": A, "description": A, "metadata": {"note": A}}
    order_id = expect(201, await post("/api/v1/orders", json=order, headers={"Idempotency-Key": A_KEY}))["id"]
    paying = {"order_id": order_id, "method": "upi", "vpa": f"{A}@upi"}
    created = expect(201, await post("/api/v1/checkout/payments", json=paying))
    payment_id = created["payment"]["id"]
    await api.authorize(payment_id)
    expect(200, await post(f"/api/v1/payments/{payment_id}/capture", headers={"Idempotency-Key": A_KEY}))
    refund = {"amount": 1, "reason": A}
    refund_id = expect(201, await post(f"/api/v1/payments/{payment_id}/refunds", json=refund))["id"]
    key_id = expect(201, await post("/api/v1/api-keys", json={"scopes": ["read"], "name": A}))["id"]
    await number_all_events(api.database)
    (event, *_) = expect(200, await api.client.get("/api/v1/events"))["data"]
    (entry, *_) = expect(200, await api.client.get("/api/v1/ledger/entries"))["data"]
    (delivery, *_) = expect(200, await api.client.get("/api/v1/webhook-deliveries"))["data"]
    replay_id = expect(201, await post(f"/api/v1/webhook-endpoints/{endpoint_id}/replay"))["id"]
    return {
        "payment_id": payment_id,
        "order_id": order_id,
        "refund_id": refund_id,
        "endpoint_id": endpoint_id,
        "delivery_id": delivery["id"],
        "replay_id": replay_id,
        "event_id": event["id"],
        "entry_id": entry["id"],
        "key_id": key_id,
        "key": A_KEY,
        "client_token": created["client_token"],
        "signing_secret": created_endpoint["secret"],
    }


async def routes(api: Api) -> list[Route]:
    """Every operation of the document as it is served."""
    document = expect(200, await api.client.get("/openapi.json"))
    found = [
        Route(
            method.upper(),
            path,
            operation["security"],
            {
                each["name"]: each["schema"].get("pattern", "")
                for each in operation.get("parameters", [])
                if each["in"] == "query"
            },
        )
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    assert {route.name for route in found if not route.security} == OPEN
    return [route for route in found if route.security]


async def state(api: Api) -> dict[str, str]:
    """A checksum of every table, but for workers and for when a key was last used."""
    tables = await read_rows(api.database, TABLES)
    checksum = "SELECT md5(string_agg((to_jsonb(t) - 'last_used_at')::text, ' ' ORDER BY t::text)) AS sum FROM {} AS t"
    names = sorted(row["tablename"] for row in tables if row["tablename"] != "workers")
    return {name: (await read_rows(api.database, checksum.format(name)))[0]["sum"] for name in names}


async def ask(api: Api, route: Route, owned: dict[str, str], keys: dict[str, str], query: str = "") -> httpx.Response:
    """Ask as merchant A would ask, under these keys."""
    headers = keys | {"X-Client-Token": owned["client_token"]}
    if route.method == "POST":
        headers["Idempotency-Key"] = A_KEY
    async with api.browser(**headers) as client:
        return await client.request(route.method, route.filled(owned) + query, json=BODIES.get(route.name))


def leak(route: Route, response: httpx.Response, owned: dict[str, str]) -> str | None:
    """What of merchant A's stands in the answer, but for what stood in the request."""
    text = response.text.replace(f"{route.method} {route.filled(owned)}", "")
    named = {owned[name] for name in route.parameters}
    return next((word for word in {A, str(AMOUNT), *owned.values()} - named if word in text), None)


def verdicts(route: Route, response: httpx.Response, owned: dict[str, str], *expected: int) -> Iterator[str]:
    if response.status_code not in expected:
        yield f"{route.name}: {response.status_code} instead of {expected}: {response.text}"
    if leaked := leak(route, response, owned):
        yield f"{route.name} shows {leaked!r}: {response.text}"


async def test_strangers_and_the_other_mode_find_nothing_and_change_nothing(api: Api, owned: dict[str, str]) -> None:
    strangers = {
        "another merchant": await api.add_key("key_test_b", "mer_b", "secret of b"),
        "another merchant, live": await api.add_key("key_live_b", "mer_b", "secret of b"),
        "merchant A in the other mode": await api.add_key("key_live_a", "mer_test", "secret of a"),
    }
    before, found = await state(api), []

    for who, keys in strangers.items():
        for route in await routes(api):
            if route.parameters:
                response = await ask(api, route, owned, keys)
                made_up = route.name in MADE_UP and "live" not in keys["X-Api-Key"]
                verdict = verdicts(route, response, owned, 200 if made_up else 404)
                found += [f"{who}: {each}" for each in verdict]
            elif route.method == "GET":
                for query in ["", *queries(route, owned)]:
                    response = await ask(api, route, owned, keys, query)
                    found += [f"{who}: {query} {each}" for each in verdicts(route, response, owned, 200)]
                    listed = {each.get("id") for each in response.json().get("data", [])}
                    if not listed <= {keys["X-Api-Key"]}:
                        found.append(f"{who}: {route.name}{query} lists {response.text}")

    assert found == []
    assert await state(api) == before


def queries(route: Route, owned: dict[str, str]) -> list[str]:
    """Filters and cursors that name what merchant A owns."""
    named = [f"?{name}={owned[name]}" for name in route.query if name in owned]
    if (cursor := route.query.get("starting_after")) is None:
        return named
    cursors = [f"?starting_after={value}" for value in owned.values() if re.search(cursor, value)]
    assert cursors, f"{route.name} lists what merchant A owns none of: make one in `owned_by_a`."
    return named + cursors


async def test_without_a_secret_every_route_is_shut_and_nothing_changes(api: Api, owned: dict[str, str]) -> None:
    refused = {
        "nobody": {},
        "the publishable key alone": {"X-Api-Key": KEYS["X-Api-Key"]},
        "a wrong secret": KEYS | {"X-Api-Secret": "not this"},
    }
    before, found = await state(api), []

    for who, keys in refused.items():
        for route in await routes(api):
            # What the key alone opens is merchant A's own here.
            if not (keys and route.is_publishable):
                response = await ask(api, route, owned, keys)
                found += [f"{who}: {each}" for each in verdicts(route, response, owned, 401)]

    assert found == []
    assert await state(api) == before


async def test_a_key_without_the_scope_is_shown_nothing_and_changes_nothing(api: Api, owned: dict[str, str]) -> None:
    keys = [
        await api.add_key(f"key_test_only_{scope}", "mer_test", "secret of a", scopes=frozenset({scope}))
        for scope in Scope
    ]
    before, found = await state(api), []

    for route in await routes(api):
        if route.is_publishable:
            continue
        shut = [
            each
            for each in keys
            if Scope(each["X-Api-Key"].rpartition("_")[2]) is not needed_scope(route.method, route.path)
        ]
        assert len(shut) == len(keys) - 1
        for key in shut:
            found += list(verdicts(route, await ask(api, route, owned, key), owned, 403))

    assert found == []
    assert await state(api) == before


async def test_a_page_sees_no_payment_without_the_token_of_that_payment(api: Api, owned: dict[str, str]) -> None:
    (route,) = [each for each in await routes(api) if any("ClientToken" in needed for needed in each.security)]
    keys = {"X-Api-Key": KEYS["X-Api-Key"]}
    other = {"order_id": "order-1", "method": "upi", "vpa": "test@upi"}
    token = expect(201, await api.client.post("/api/v1/checkout/payments", json=other))["client_token"]

    for tokens in ({}, {"X-Client-Token": token}, {"X-Client-Token": owned["client_token"] + "0"}):
        async with api.browser(**(keys | tokens)) as client:
            response = await client.request(route.method, route.filled(owned))
        assert list(verdicts(route, response, owned, 401)) == []


async def test_an_order_is_only_its_own_merchants_to_pay(api: Api, owned: dict[str, str]) -> None:
    keys = await api.add_key("key_test_b", "mer_b", "secret of b")
    before = expect(200, await api.client.get(f"/api/v1/orders/{A}"))

    async with api.browser(**keys) as stranger:
        for name in (owned["order_id"], A):
            body = {"amount": 1, "currency": "INR", "method": "upi", "vpa": "test@upi", "order_id": name}
            expect(201, await stranger.post("/api/v1/payments", json=body))
            body = {"method": "upi", "vpa": "test@upi", "order_id": name}
            paid = expect(201, await stranger.post("/api/v1/checkout/payments", json=body))["payment"]
            assert paid["amount"] == 50_000

    assert expect(200, await api.client.get(f"/api/v1/orders/{A}")) == before
    assert (
        await read_rows(api.database, "SELECT 1 FROM payments WHERE merchant_id = 'mer_b' AND bound_order_id > ''")
        == []
    )


async def test_the_walk_would_see_a_leak(api: Api, owned: dict[str, str]) -> None:
    """What merchant A is shown at its own objects counts as a leak everywhere."""
    for route in await routes(api):
        if route.method == "GET" and route.parameters:
            response = await ask(api, route, owned, KEYS)
            assert len(list(verdicts(route, response, owned, 404))) == 2, f"{route.name}: {response.text}"


def test_a_parameter_nobody_filled_is_named() -> None:
    with pytest.raises(AssertionError, match="takes a dispute_id, and this test knows none"):
        Route("GET", "/api/v1/disputes/{dispute_id}", [{"ApiKey": []}], {}).filled({})

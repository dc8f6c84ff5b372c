"""What each scope opens, tried on every route the app has: a route that forgets its scope fails here."""

from collections.abc import Iterable, Iterator

import httpx
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from tests.support.api import NEW_PAYMENT, Api, expect, expect_error
from tests.support.scopes import needed_scope

from gateway_common.merchants.model import Scope

# No scope guards these: a publishable key opens the first, and nobody's key the others.
OPEN = ("/api/v1/checkout/", "/api/v1/test/jobs/", "/test/bank/", "/docs", "/healthz", "/readyz")


def guarded_routes(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Method and path of every route in the app and in the routers it includes, hidden ones too."""
    for route in routes:
        if isinstance(route, APIRoute) and not route.path.startswith(OPEN):
            yield from ((method, route.path) for method in sorted(route.methods or ()))
        yield from guarded_routes(getattr(getattr(route, "original_router", None), "routes", ()))


async def ask(api: Api, method: str, path: str, keys: dict[str, str]) -> httpx.Response:
    """A request that changes nothing: nothing has this id, and no body fits."""
    async with api.browser(**keys) as client:
        return await client.request(method, path.replace("{", "").replace("}", ""), json=None)


async def test_every_route_needs_exactly_its_scope(api: Api) -> None:
    keys = {
        scope: await api.add_key(f"key_test_only_{scope}", "mer_a", f"secret-{scope}", scopes=frozenset({scope}))
        for scope in Scope
    }
    routes = list(guarded_routes(api.app.routes))
    assert {("POST", "/api/v1/payments/{payment_id}/refunds"), ("GET", "/api/v1/api-keys")} <= set(routes)

    for method, path in routes:
        needed = needed_scope(method, path)
        for scope in Scope:
            response = await ask(api, method, path, keys[scope])
            if scope is needed:
                assert response.status_code not in {401, 403}, f"{scope} does not open {method} {path}"
            else:
                message = expect_error(403, "forbidden", response)
                assert message == f"This needs an API key with the scope {needed}.", f"{method} {path}"


async def test_no_route_is_open_without_a_key(api: Api) -> None:
    for method, path in guarded_routes(api.app.routes):
        expect_error(401, "unauthenticated", await ask(api, method, path, {}))


async def test_a_key_does_all_that_its_scopes_say_together(api: Api) -> None:
    keys = await api.add_key("key_test_two", "mer_a", "secret", scopes=frozenset({Scope.READ, Scope.WRITE}))

    async with api.browser(**keys) as client:
        payment = expect(201, await client.post("/api/v1/payments", json=NEW_PAYMENT))
        expect(200, await client.get(f"/api/v1/payments/{payment['id']}"))
        expect_error(403, "forbidden", await client.post(f"/api/v1/payments/{payment['id']}/refunds"))


async def test_checkout_asks_for_no_scope(api: Api) -> None:
    await api.add_key("key_test_read", "mer_a", "secret", scopes=frozenset({Scope.READ}))

    async with api.browser(**{"X-Api-Key": "key_test_read"}) as client:
        expect(200, await client.get("/api/v1/checkout/orders/ord_1"))

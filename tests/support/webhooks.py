"""A merchant's webhook endpoints and deliveries in tests, over HTTP."""

from typing import Any, Final

import httpx
from tests.support.api import Api, expect

ENDPOINTS: Final = "/api/v1/webhook-endpoints"
DELIVERIES: Final = "/api/v1/webhook-deliveries"
REPLAYS: Final = "/api/v1/webhook-replays"


async def create_endpoint(api: Api, **values: Any) -> dict[str, Any]:
    wanted = {"url": "https://shop.example/hooks"} | values
    endpoint: dict[str, Any] = expect(201, await api.client.post(ENDPOINTS, json=wanted))
    return endpoint


async def read_endpoint(api: Api, endpoint_id: str) -> dict[str, Any]:
    """The endpoint as lists and answers show it too."""
    endpoint: dict[str, Any] = expect(200, await api.client.get(f"{ENDPOINTS}/{endpoint_id}"))
    del endpoint["health"]
    return endpoint


async def update_endpoint(api: Api, endpoint_id: str, **values: Any) -> dict[str, Any]:
    endpoint: dict[str, Any] = expect(200, await api.client.patch(f"{ENDPOINTS}/{endpoint_id}", json=values))
    return endpoint


async def post(api: Api, path: str, key: str | None = None, **values: Any) -> httpx.Response:
    """A POST with these fields, or with no body at all; `key` is its Idempotency-Key."""
    headers = {"Idempotency-Key": key} if key else {}
    return await api.client.post(path, json=values or None, headers=headers)


async def list_deliveries(api: Api, **query: Any) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = expect(200, await api.client.get(DELIVERIES, params=query))["data"]
    return data

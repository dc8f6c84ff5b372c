"""The merchant's server: the few calls of the API it needs, and patience until an object has settled."""

import asyncio
from typing import Any

import httpx

from gateway_cli.failure import Failure

POLL_SECONDS = 0.2
UNSETTLED = ("pending", "processing")


class Merchant:
    """Talks to the API as a merchant would, and insists on success."""

    def __init__(self, client: httpx.AsyncClient, patience_seconds: float) -> None:
        self._client = client
        self._patience_seconds = patience_seconds

    async def create(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """POST, and return the answer."""
        return await self._request("POST", path, body)

    async def get(self, path: str) -> dict[str, Any]:
        """GET, and return the answer."""
        return await self._request("GET", path, None)

    async def settle(self, path: str, field: str, *, wanted: str) -> None:
        """Return when the field of the object has the wanted value; fail when it ends up with another, or with none."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_seconds
        while True:
            found = await self.get(path)
            if found[field] == wanted:
                return
            if found[field] not in UNSETTLED:
                raise Failure(f"The {field} of {found['id']} is {found[field]}, not {wanted}: {found['error']}.")
            if loop.time() > deadline:
                raise Failure(
                    f"The {field} of {found['id']} is still {found[field]} after {self._patience_seconds:.0f} s."
                )
            await asyncio.sleep(POLL_SECONDS)

    async def _request(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        try:
            response = await self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise Failure(f"{method} {path} got no answer: {type(error).__name__} {error}.") from error
        if not response.is_success:
            raise Failure(f"{method} {path} was answered {response.status_code}: {response.text.strip()}")
        answer: dict[str, Any] = response.json()
        return answer

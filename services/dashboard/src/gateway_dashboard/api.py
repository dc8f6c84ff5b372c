"""The API as the dashboard asks it: a method a question, errors as the gateway's own. The only door out of here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx

from gateway_common.errors import ForbiddenError, NotFoundError, UnauthenticatedError, UnavailableError
from gateway_dashboard.login import Login

PAGE_ROWS: Final = 20
ENDPOINTS_MOST: Final = 100
HELD_MOST: Final = 100
REFUNDS_MOST: Final = 100
_ID: Final = re.compile(r"[a-z]+_[0-9a-z]{1,40}")
_UNAVAILABLE: Final = "The payment API does not answer. Nothing is lost; please try again in a moment."


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list, newest first, and where the next one starts."""

    items: list[dict[str, Any]]
    next_cursor: str | None


class Api:
    """Asks with the login of whoever is looking, so that the API alone decides what they may see."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def list_payments(self, login: Login, *, status: str | None, starting_after: str | None) -> Page:
        return await self._list(login, "payments", status=status, starting_after=starting_after)

    async def get_payment(self, login: Login, payment_id: str) -> dict[str, Any]:
        return await self._get(login, f"payments/{_checked(payment_id)}")

    async def get_timeline(self, login: Login, payment_id: str) -> dict[str, Any]:
        return await self._get(login, f"payments/{_checked(payment_id)}/timeline")

    async def list_refunds(self, login: Login, payment_id: str) -> Page:
        return await self._list(login, f"payments/{_checked(payment_id)}/refunds", limit=REFUNDS_MOST)

    async def list_endpoints(self, login: Login) -> Page:
        return await self._list(login, "webhook-endpoints", limit=ENDPOINTS_MOST)

    async def list_deliveries(self, login: Login, *, starting_after: str | None) -> Page:
        return await self._list(login, "webhook-deliveries", starting_after=starting_after)

    async def list_held_deliveries(self, login: Login, endpoint_id: str) -> Page:
        held = {"endpoint_id": _checked(endpoint_id), "status": "held"}
        return await self._list(login, "webhook-deliveries", limit=HELD_MOST, **held)

    async def check(self) -> str:
        """Whether the API lives, for readiness."""
        response = await self._client.get("/healthz")
        return "ok" if response.status_code == HTTPStatus.OK else f"answered {response.status_code}"

    async def _list(self, login: Login, path: str, *, limit: int = PAGE_ROWS, **filters: str | None) -> Page:
        if filters.get("starting_after"):
            _checked(filters["starting_after"] or "")
        wanted = {name: value for name, value in filters.items() if value}
        body = await self._get(login, path, {"limit": str(limit), **wanted})
        return Page(body["data"], body["next_cursor"] if body["has_more"] else None)

    async def _get(self, login: Login, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        headers = {"Authorization": login.authorization}
        try:
            response = await self._client.get(f"/api/v1/{path}", params=query, headers=headers)
        except httpx.HTTPError as error:
            raise UnavailableError(_UNAVAILABLE) from error
        match response.status_code:
            case HTTPStatus.OK:
                body: dict[str, Any] = response.json()
                return body
            case HTTPStatus.UNAUTHORIZED:
                raise UnauthenticatedError("The API key or its secret was not accepted.")
            case HTTPStatus.FORBIDDEN:
                raise ForbiddenError("This key may not see this page.")
            case HTTPStatus.NOT_FOUND:
                raise NotFoundError("There is nothing under this address.")
            case _:
                raise UnavailableError(_UNAVAILABLE)


def _checked(object_id: str) -> str:
    """An id goes into a path of the API, so nothing else may."""
    if not _ID.fullmatch(object_id):
        raise NotFoundError("There is nothing under this address.")
    return object_id

"""The page of webhooks: endpoints and the log of deliveries."""

import asyncio

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from gateway_dashboard.api import Api
from gateway_dashboard.login import SignedIn
from gateway_dashboard.pages import render
from gateway_dashboard.webhooks.notices import read_notices
from gateway_dashboard.webhooks.views import delivery_view, endpoint_view


def webhook_routes(api: Api) -> APIRouter:
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/webhooks.html")
    async def webhooks(login: SignedIn, starting_after: str | None = None) -> HTMLResponse:
        endpoints, deliveries = await asyncio.gather(
            api.list_endpoints(login), api.list_deliveries(login, starting_after=starting_after)
        )
        return render(
            "webhooks.html",
            login=login,
            notices=await read_notices(api, login, endpoints.items),
            endpoints=[endpoint_view(endpoint) for endpoint in endpoints.items],
            deliveries=[delivery_view(delivery) for delivery in deliveries.items],
            next_cursor=deliveries.next_cursor,
            is_first=starting_after is None,
        )

    return router

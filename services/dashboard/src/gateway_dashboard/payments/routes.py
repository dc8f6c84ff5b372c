"""The pages of payments: the list, and one payment with its timeline and refunds."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse

from gateway_dashboard.api import Api
from gateway_dashboard.login import SignedIn
from gateway_dashboard.pages import render
from gateway_dashboard.payments.views import STATUSES, payment_view, refund_view, timeline_view
from gateway_dashboard.webhooks.notices import count_disabled

Status = Literal["pending", "processing", "success", "failed", "cancelled", "expired"]


def payment_routes(api: Api) -> APIRouter:
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/")
    async def payments(
        login: SignedIn, status: Annotated[Status | None, Query()] = None, starting_after: str | None = None
    ) -> HTMLResponse:
        page, disabled_endpoints = await asyncio.gather(
            api.list_payments(login, status=status, starting_after=starting_after), count_disabled(api, login)
        )
        return render(
            "payments.html",
            login=login,
            disabled_endpoints=disabled_endpoints,
            payments=[payment_view(payment) for payment in page.items],
            next_cursor=page.next_cursor,
            is_first=starting_after is None,
            status=status,
            statuses=STATUSES,
        )

    @router.get("/payments/{payment_id}")
    async def payment(login: SignedIn, payment_id: str) -> HTMLResponse:
        found, refunds, timeline, disabled_endpoints = await asyncio.gather(
            api.get_payment(login, payment_id),
            api.list_refunds(login, payment_id),
            api.get_timeline(login, payment_id),
            count_disabled(api, login),
        )
        return render(
            "payment.html",
            login=login,
            disabled_endpoints=disabled_endpoints,
            payment=payment_view(found),
            refunds=[refund_view(refund) for refund in refunds.items],
            timeline=timeline_view(timeline),
        )

    return router

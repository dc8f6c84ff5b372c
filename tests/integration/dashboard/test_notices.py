"""The notices of endpoints that get nothing, over HTTP: what they say, what they ask, and what they survive."""

from typing import Any

import httpx
from tests.integration.dashboard.conftest import StandInApi, page_of
from tests.integration.dashboard.test_pages import DELIVERY, ENDPOINT

from gateway_dashboard.webhooks.notices import DETAILED_MOST

GONE: dict[str, Any] = ENDPOINT | {
    "status": "disabled",
    "disabled_reason": "gone",
    "url": "https://shop.example/<gone>",
}
PAUSED: dict[str, Any] = ENDPOINT | {"id": "we_2", "status": "paused", "url": "https://shop.example/paused"}
HELD: dict[str, Any] = DELIVERY | {"status": "held", "attempts": 2, "last_response_status": 410}


async def test_each_endpoint_that_gets_nothing_has_a_notice(api: StandInApi, dashboard: httpx.AsyncClient) -> None:
    api.answers |= {"webhook-endpoints": page_of(ENDPOINT, PAUSED, GONE), "webhook-deliveries": page_of(HELD)}

    page = (await dashboard.get("/webhooks.html")).text

    assert page.count('class="notice stopped') == 2
    assert page.index("https://shop.example/&lt;gone&gt;") < page.index("https://shop.example/paused")
    assert "It answered 410 (Gone), which says that it wants no more events" in page
    assert page.count("1 delivery is held for it.") == 2
    assert "Its last attempt: Answered 410." in page
    assert "PATCH /api/v1/webhook-endpoints/we_1" in page
    assert "<script" not in page
    assert "webhook-deliveries?limit=100&endpoint_id=we_2&status=held" in api.asked


async def test_without_such_endpoints_there_is_none(api: StandInApi, dashboard: httpx.AsyncClient) -> None:
    api.answers |= {"webhook-endpoints": page_of(ENDPOINT), "webhook-deliveries": page_of(), "payments": page_of()}

    for path in ("/webhooks.html", "/"):
        assert 'class="notice' not in (await dashboard.get(path)).text


async def test_of_many_only_some_are_asked_what_waits_for_them(api: StandInApi, dashboard: httpx.AsyncClient) -> None:
    paused = [PAUSED | {"id": f"we_{number}"} for number in range(20)]
    api.answers |= {"webhook-endpoints": page_of(*paused), "webhook-deliveries": page_of()}

    page = (await dashboard.get("/webhooks.html")).text

    assert page.count('class="notice stopped') == 20
    assert len([path for path in api.asked if "status=held" in path]) == DETAILED_MOST


async def test_the_pages_of_payments_say_that_an_endpoint_is_disabled(
    api: StandInApi, dashboard: httpx.AsyncClient
) -> None:
    api.answers |= {"webhook-endpoints": page_of(ENDPOINT, PAUSED, GONE), "payments": page_of()}
    one = (await dashboard.get("/")).text
    api.answers["webhook-endpoints"] = page_of(GONE, GONE)
    two = (await dashboard.get("/")).text

    assert "A webhook endpoint is disabled" in one
    assert "2 webhook endpoints are disabled" in two
    assert '<a href="/webhooks.html">See why</a>' in two


async def test_no_page_of_payments_fails_because_endpoints_can_not_be_told(
    api: StandInApi, dashboard: httpx.AsyncClient
) -> None:
    api.answers["payments"] = page_of()

    page = await dashboard.get("/")

    assert "webhook-endpoints?limit=100" in api.asked
    assert page.status_code == 200
    assert "No payments yet" in page.text

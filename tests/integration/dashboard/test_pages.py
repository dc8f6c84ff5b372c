"""The dashboard's pages over HTTP: what they show, what they ask the API, and what they say when it does not answer."""

from typing import Any

import httpx
import pytest
from tests.integration.dashboard.conftest import StandInApi, dashboard_of, page_of

from gateway_cli.local.ports import find_free_ports

PAYMENT: dict[str, Any] = {
    "id": "pay_1", "order_id": "ord_<b>1</b>", "amount": 50000, "currency": "INR", "method": "upi", "vpa": "asha@upi",
    "card": None, "bank": None, "wallet": None,
    "status": "success", "capture_status": "completed", "amount_captured": 50000, "amount_refunded": 1000,
    "error": None, "description": None, "metadata": {"seat": "<i>F</i>"},
    "created_at": "2026-11-23T13:30:15.947Z", "updated_at": "2026-11-23T13:30:20.000Z",
}  # fmt: skip
REFUND: dict[str, Any] = {
    "id": "rfnd_1", "payment_id": "pay_1", "amount": 1000, "currency": "INR", "reason": "Customer requested",
    "status": "processed", "error": None, "created_at": "2026-11-23T13:31:00.000Z",
}  # fmt: skip
TIMELINE: dict[str, Any] = {
    "payment_id": "pay_1", "has_more": False,
    "entries": [
        {"at": "2026-11-23T13:30:15.947Z", "kind": "event", "summary": "payment.created"},
        {"at": "2026-11-23T13:30:20.000Z", "kind": "provider_answer", "summary": "simulator on authorize: approved"},
    ],
    "next": {"what": "You capture the payment or cancel it.", "waiting_for": "merchant", "at": None},
    "webhooks_waiting": [
        {"delivery_id": "dlv_1", "endpoint_id": "we_1", "event_type": "payment.created", "attempts": 2,
         "status": "pending", "what": "It is tried again.", "at": "2026-11-23T13:36:00.000Z"},
    ],
}  # fmt: skip
ENDPOINT: dict[str, Any] = {
    "id": "we_1", "url": "https://shop.example/hooks", "description": None, "status": "enabled",
    "disabled_reason": None, "event_types": ["payment.success"], "created_at": "2026-11-23T13:00:00.000Z",
}  # fmt: skip
DELIVERY: dict[str, Any] = {
    "id": "dlv_1", "event_id": "evt_1", "event_type": "payment.success", "url": "https://shop.example/hooks",
    "status": "delivered", "attempts": 1, "due_at": None, "last_response_status": 200, "last_error": None,
    "created_at": "2026-11-23T13:30:21.000Z",
}  # fmt: skip


async def test_the_list_shows_payments_and_the_way_to_the_next_page(
    api: StandInApi, dashboard: httpx.AsyncClient
) -> None:
    api.answers["payments"] = page_of(PAYMENT, next_cursor="pay_1")

    page = await dashboard.get("/", params={"status": "success", "starting_after": "pay_2"})

    assert page.status_code == 200
    assert sorted(api.asked) == ["payments?limit=20&status=success&starting_after=pay_2", "webhook-endpoints?limit=100"]
    assert "500.00 INR" in page.text
    assert "/?status=success&amp;starting_after=pay_1" in page.text


async def test_what_merchants_and_customers_wrote_is_text_and_never_markup(
    api: StandInApi, dashboard: httpx.AsyncClient
) -> None:
    api.answers |= {"payments/pay_1": PAYMENT, "payments/pay_1/refunds": page_of()}
    api.answers["payments/pay_1/timeline"] = TIMELINE

    page = (await dashboard.get("/payments/pay_1")).text

    assert "<b>1</b>" not in page
    assert "<i>F</i>" not in page
    assert "&lt;b&gt;1&lt;/b&gt;" in page


async def test_a_payment_is_shown_with_its_timeline_and_refunds(api: StandInApi, dashboard: httpx.AsyncClient) -> None:
    api.answers |= {"payments/pay_1": PAYMENT, "payments/pay_1/refunds": page_of(REFUND)}
    api.answers["payments/pay_1/timeline"] = TIMELINE

    page = (await dashboard.get("/payments/pay_1")).text

    assert "Captured 500.00 INR" in page
    assert "Customer requested" in page
    assert "rfnd_1" in page
    assert "You capture the payment or cancel it." in page
    assert "payment.created to we_1, tried 2 times. It is tried again." in page
    assert "23 Nov 2026, 13:36:00 UTC" in page
    assert page.index("payment.created</th>") < page.index("simulator on authorize: approved")


async def test_webhooks_shows_endpoints_and_deliveries(api: StandInApi, dashboard: httpx.AsyncClient) -> None:
    api.answers |= {"webhook-endpoints": page_of(ENDPOINT), "webhook-deliveries": page_of(DELIVERY)}

    page = (await dashboard.get("/webhooks.html")).text

    assert page.count("https://shop.example/hooks") == 2
    assert "Answered 200" in page


async def test_a_new_merchant_reads_what_will_be_here(api: StandInApi, dashboard: httpx.AsyncClient) -> None:
    api.answers |= {"payments": page_of(), "webhook-endpoints": page_of(), "webhook-deliveries": page_of()}

    payments, webhooks = await dashboard.get("/"), await dashboard.get("/webhooks.html")

    assert "No payments yet" in payments.text
    assert "No endpoints yet" in webhooks.text
    assert "No deliveries yet" in webhooks.text


@pytest.mark.parametrize("auth", [None, ("key_test_abc123", "wrong"), ("key_test_abc123", "")])
async def test_without_an_accepted_login_the_browser_is_told_to_ask_for_one(
    dashboard: httpx.AsyncClient, auth: tuple[str, str] | None
) -> None:
    dashboard.auth = auth  # type: ignore[assignment]  # httpx's setter takes None, its annotation does not say so.

    page = await dashboard.get("/")

    assert page.status_code == 401
    assert page.headers["www-authenticate"].startswith("Basic ")
    assert "secret_test" not in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/payments/pay_404",
        "/payments/..%2F..%2Fhealthz",
        "/payments/pay_1%3Flimit=1",
        "/?status=odd",
        "/?starting_after=%2E%2E",
        "/nowhere",
    ],
)
async def test_an_address_that_leads_nowhere_is_404(dashboard: httpx.AsyncClient, path: str) -> None:
    page = await dashboard.get(path)

    assert page.status_code == 404
    assert "Not found" in page.text


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_trouble_in_the_api_is_one_sentence(api: StandInApi, dashboard: httpx.AsyncClient, status: int) -> None:
    api.answers["payments"], api.status = {"error": {}}, status

    page = await dashboard.get("/")

    assert page.status_code == 503
    assert "The payment API does not answer." in page.text


async def test_without_an_api_pages_say_so_and_the_dashboard_is_degraded_but_ready() -> None:
    (unused,) = find_free_ports(1)
    async with dashboard_of(f"http://127.0.0.1:{unused}") as dashboard:
        page, ready = await dashboard.get("/"), await dashboard.get("/readyz")

    assert page.status_code == 503
    assert page.headers["retry-after"] == "1"
    assert "The payment API does not answer." in page.text
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")


async def test_every_page_forbids_scripts_frames_and_caches(api: StandInApi, dashboard: httpx.AsyncClient) -> None:
    api.answers["payments"] = page_of()

    for path in ("/", "/nowhere"):
        headers = (await dashboard.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "script-src" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


async def test_with_the_api_there_it_is_ready_and_serves_its_style(dashboard: httpx.AsyncClient) -> None:
    ready, style = await dashboard.get("/readyz"), await dashboard.get("/dashboard.css")

    assert ready.json() == {"status": "ready", "dependencies": {"api": "ok"}}
    assert style.headers["content-type"].startswith("text/css")

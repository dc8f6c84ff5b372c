"""The pages people see, in a real browser against the real stack: a customer pays, a merchant's staff looks."""

import os
import re
import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.support.http_merchant import create_payment
from tests.support.patience import wait_until
from tests.support.stack import LiveStack

STACK_ENVIRONMENT = {"PROCESSING_DELAY_MIN_MS": "1500", "PROCESSING_DELAY_MAX_MS": "2000"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
LOGIN = {"username": "key_test_abc123", "password": "secret_test_xyz789"}
CHECKOUT = "/checkout.html?order_id=ord_test_001&key=key_test_abc123"
PHONE = {"width": 390, "height": 844}
OUTCOME_WITHIN_MILLISECONDS = 20_000
# As strict a page as a merchant may have: our script, our frame, nothing inline.
SHOP = """<!doctype html><html lang="en"><title>Shop</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self' {sdk}; frame-src {sdk}">
<button id="buy">Buy</button><ol id="heard"></ol>
<script src="{sdk}/checkout.js"></script><script src="shop.js"></script>"""
SHOP_SCRIPT = """
const hear = (name) => (detail) => {
  const item = document.createElement("li");
  item.textContent = [name, detail?.orderId, detail?.code, detail?.paymentId].filter(Boolean).join(" ");
  document.querySelector("#heard").append(item);
};
const checkout = new PaymentGateway({
  key: "key_test_abc123", orderId: "ord_shop_7",
  onSuccess: hear("success"), onFailure: hear("failure"), onClose: hear("close"),
});
document.querySelector("#buy").addEventListener("click", () => checkout.open());
"""


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name is the standard library's.
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Without Chromium the tests are skipped on a laptop; where CI=true it must be there."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        assert os.environ.get("CI") != "true", "Chromium is missing"
        pytest.skip("Chromium is missing")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A phone's browser signed in to the dashboard. A script that breaks, or meets a policy, fails the test."""
    context = browser.new_context(viewport=PHONE, http_credentials=LOGIN)  # type: ignore[arg-type]
    page, trouble = context.new_page(), []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda message: trouble.append(message.text) if "Policy" in message.text else None)
    yield page
    context.close()
    assert trouble == []


@pytest.fixture
def shop(stack: LiveStack, tmp_path: Path) -> Iterator[str]:
    """A merchant's page on an origin of its own."""
    (tmp_path / "index.html").write_text(SHOP.format(sdk=stack.sdk_url), encoding="utf-8")
    (tmp_path / "shop.js").write_text(SHOP_SCRIPT, encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(tmp_path)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def pay(page: Page, stack: LiveStack, vpa: str) -> None:
    page.goto(f"{stack.sdk_url}{CHECKOUT}")
    page.get_by_label("UPI ID").fill(vpa)
    page.get_by_role("button", name="Pay ₹500.00").click()


def test_a_customer_pays_and_sees_that_it_worked(page: Page, stack: LiveStack, merchant: httpx.Client) -> None:
    pay(page, stack, "asha@upi")

    expect(page.get_by_role("heading", name="Approve the payment in your UPI app")).to_be_focused()
    expect(page.get_by_role("heading", name="Payment successful")).to_be_focused(timeout=OUTCOME_WITHIN_MILLISECONDS)
    payment_id = page.locator("section:visible [data-text='payment-id']").inner_text()
    assert merchant.get(f"/payments/{payment_id}").json()["status"] == "success"


def test_a_declined_payment_says_why_and_can_be_tried_again(page: Page, stack: LiveStack) -> None:
    pay(page, stack, "failure@upi")
    expect(page.get_by_role("heading", name="Payment failed")).to_be_focused(timeout=OUTCOME_WITHIN_MILLISECONDS)
    expect(page.get_by_text("Your bank declined this payment.")).to_be_visible()

    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_label("UPI ID")).to_be_focused()
    page.get_by_label("UPI ID").fill("asha@upi")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Payment successful")).to_be_focused(timeout=OUTCOME_WITHIN_MILLISECONDS)


def test_a_slip_is_caught_and_a_wrong_key_explained(page: Page, stack: LiveStack) -> None:
    pay(page, stack, "asha")
    expect(page.get_by_text("A UPI ID looks like name@bank.")).to_be_visible()
    expect(page.get_by_label("UPI ID")).to_be_focused()

    page.goto(f"{stack.sdk_url}/checkout.html?order_id=ord_test_001&key=key_test_wrong")
    expect(page.get_by_role("heading", name="This checkout can’t be opened")).to_be_focused()


def test_a_lost_connection_keeps_the_form_and_what_was_typed(page: Page, stack: LiveStack) -> None:
    page.goto(f"{stack.sdk_url}{CHECKOUT}")
    page.get_by_label("UPI ID").fill("asha@upi")
    page.context.set_offline(True)

    page.get_by_role("button", name="Pay ₹500.00").click()
    expect(page.get_by_text("We can’t reach the payment service.")).to_be_visible()
    page.context.set_offline(False)
    page.get_by_role("button", name="Pay ₹500.00").click()

    expect(page.get_by_role("heading", name="Payment successful")).to_be_focused(timeout=OUTCOME_WITHIN_MILLISECONDS)


def test_a_shop_on_another_origin_hears_how_it_went(page: Page, shop: str, merchant: httpx.Client) -> None:
    page.goto(shop)
    page.get_by_role("button", name="Buy").press("Enter")
    checkout, heard = page.frame_locator("iframe[title=Checkout]"), page.locator("#heard li")

    expect(checkout.get_by_label("UPI ID")).to_be_focused()
    page.keyboard.type("failure@upi")
    page.keyboard.press("Enter")
    expect(heard).to_have_count(1, timeout=OUTCOME_WITHIN_MILLISECONDS)
    expect(heard.nth(0)).to_contain_text("failure ord_shop_7 payment_declined pay_")

    checkout.get_by_role("button", name="Try again").click()
    checkout.get_by_label("UPI ID").fill("asha@upi")
    page.keyboard.press("Enter")
    expect(heard).to_have_count(2, timeout=OUTCOME_WITHIN_MILLISECONDS)
    name, order_id, payment_id = heard.nth(1).inner_text().split()
    assert (name, order_id) == ("success", "ord_shop_7")
    assert merchant.get(f"/payments/{payment_id}").json()["order_id"] == "ord_shop_7"

    checkout.get_by_role("button", name="Done").click()
    expect(page.locator("dialog")).to_have_count(0)
    expect(heard.nth(2)).to_have_text("close")
    expect(page.get_by_role("button", name="Buy")).to_be_focused()


def test_escape_closes_the_checkout_and_the_focus_comes_back(page: Page, shop: str) -> None:
    page.goto(shop)
    for _ in range(2):
        page.get_by_role("button", name="Buy").press("Enter")
        expect(page.frame_locator("iframe[title=Checkout]").get_by_label("UPI ID")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)
        expect(page.get_by_role("button", name="Buy")).to_be_focused()

    expect(page.locator("#heard li")).to_have_text(["close", "close"])


def test_a_tester_plays_the_customers_bank(page: Page, stack: LiveStack, merchant: httpx.Client) -> None:
    wanted = {"amount": 50_000, "currency": "INR", "method": "upi", "vpa": "pending@upi", "order_id": "order-7"}
    payment = merchant.post("/payments", json=wanted).raise_for_status().json()

    def has_become(status: str) -> bool:
        return bool(merchant.get(f"/payments/{payment['id']}").json()["status"] == status)

    wait_until(lambda: has_become("processing"), "a processor asks the bank")
    page.goto(f"{stack.api_url}/test/bank/{payment['id']}")
    expect(page.get_by_role("heading", name="500.00 INR")).to_be_visible()
    for words in ("Test Merchant", "order-7", "UPI collect, pending@upi", "no limit"):
        expect(page.get_by_text(words)).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("Waiting for you")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Approve").press("Enter")

    expect(page.get_by_role("status")).to_contain_text("Approved")
    expect(page.get_by_role("button")).to_have_count(0)
    wait_until(lambda: has_become("success"), "the gateway hears of it")


def test_the_dashboard_shows_the_payment_and_its_refunds(page: Page, stack: LiveStack, merchant: httpx.Client) -> None:
    pay(page, stack, "staff@upi")
    expect(page.get_by_role("heading", name="Payment successful")).to_be_visible(timeout=OUTCOME_WITHIN_MILLISECONDS)
    payment_id = page.locator("section:visible [data-text='payment-id']").inner_text()
    merchant.post(f"/payments/{payment_id}/capture").raise_for_status()
    merchant.post(f"/payments/{payment_id}/refunds", json={"amount": 1000, "reason": "Torn"}).raise_for_status()

    page.goto(stack.dashboard_url)
    page.get_by_role("row").filter(has_text="staff@upi").get_by_role("link", name="500.00 INR").click()

    expect(page.get_by_text(payment_id)).to_be_visible()
    expect(page.get_by_role("cell", name="Torn")).to_be_visible()


def test_the_dashboard_lists_endpoints_and_deliveries(page: Page, stack: LiveStack, merchant: httpx.Client) -> None:
    merchant.post("/webhook-endpoints", json={"url": "http://127.0.0.1:9/hooks"}).raise_for_status()

    page.goto(f"{stack.dashboard_url}/webhooks.html")

    expect(page.get_by_role("rowheader", name="http://127.0.0.1:9/hooks", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Deliveries", exact=True)).to_be_visible()


def test_the_dashboard_says_which_endpoint_is_paused_and_what_waits_for_it(
    page: Page, stack: LiveStack, merchant: httpx.Client
) -> None:
    url = "http://127.0.0.1:9/paused"
    endpoint = merchant.post("/webhook-endpoints", json={"url": url}).raise_for_status().json()["id"]
    merchant.patch(f"/webhook-endpoints/{endpoint}", json={"status": "paused"}).raise_for_status()
    payment = create_payment(merchant)

    page.goto(f"{stack.dashboard_url}/webhooks.html")
    notice = page.get_by_role("region", name=url)
    expect(notice.get_by_text("It is paused, as you asked.")).to_be_visible()
    expect(notice.get_by_text(re.compile("(is|are) held for it"))).to_be_visible()
    page.goto(f"{stack.dashboard_url}/payments/{payment}")
    expect(page.get_by_text("Held: the endpoint is paused.").first).to_be_visible()

    merchant.patch(f"/webhook-endpoints/{endpoint}", json={"status": "enabled"}).raise_for_status()
    page.goto(f"{stack.dashboard_url}/webhooks.html")
    expect(page.get_by_role("region", name=url)).to_have_count(0)


def test_the_dashboard_asks_for_a_login(stack: LiveStack) -> None:
    page = httpx.get(stack.dashboard_url, trust_env=False)

    assert page.status_code == 401
    assert page.headers["www-authenticate"].startswith("Basic ")

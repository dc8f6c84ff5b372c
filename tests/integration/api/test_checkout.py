"""The checkout API as a browser uses it: a publishable key, a token per payment, any page's script."""

from datetime import datetime, timedelta
from typing import Any

import httpx
from tests.support.api import Api, expect, expect_error, running_api

from gateway_common.clock import system_clock
from gateway_common.merchants.seed import TEST_KEY

CHECKOUT = "/api/v1/checkout"
WISH = {"order_id": "ord_test_001", "method": "upi", "vpa": "test@upi"}
SHOP = {"Origin": "https://shop.example"}
SHOWN = {"id", "order_id", "amount", "currency", "method", "status", "error"}


def browser(api: Api, **headers: str) -> httpx.AsyncClient:
    return api.browser(**{"X-Api-Key": TEST_KEY, **headers})


async def pay(api: Api, **changes: Any) -> dict[str, Any]:
    async with browser(api) as page:
        made: dict[str, Any] = expect(201, await page.post(f"{CHECKOUT}/payments", json=WISH | changes))
    return made


async def test_an_order_shows_what_is_to_be_paid_and_to_whom(api: Api) -> None:
    async with browser(api) as page:
        order = expect(200, await page.get(f"{CHECKOUT}/orders/ord_test_001"))

    assert order == {
        "order_id": "ord_test_001",
        "amount": 50_000,
        "currency": "INR",
        "status": "created",
        "merchant_name": "Test Merchant",
        "livemode": False,
    }


async def test_paying_shows_the_customer_no_more_than_needed(api: Api) -> None:
    made = await pay(api)

    assert made.keys() == {"payment", "client_token"}
    assert made["payment"].keys() == SHOWN
    assert made["payment"].items() >= {"amount": 50_000, "currency": "INR", "status": "pending"}.items()


async def test_the_merchant_sees_the_same_payment(api: Api) -> None:
    made = await pay(api)

    payment = expect(200, await api.client.get(f"/api/v1/payments/{made['payment']['id']}"))

    assert (payment["order_id"], payment["vpa"]) == ("ord_test_001", "test@upi")


async def test_with_its_token_a_page_follows_its_payment(api: Api) -> None:
    made = await pay(api)
    await api.authorize(made["payment"]["id"])

    async with browser(api, **{"X-Client-Token": made["client_token"]}) as page:
        payment = expect(200, await page.get(f"{CHECKOUT}/payments/{made['payment']['id']}"))

    assert payment == made["payment"] | {"status": "success"}


async def test_a_second_click_with_the_same_key_does_not_pay_twice(api: Api) -> None:
    key = {"Idempotency-Key": "0b7f6a53-2b6e-4f4c"}

    async with browser(api) as page:
        first = await page.post(f"{CHECKOUT}/payments", json=WISH, headers=key)
        second = await page.post(f"{CHECKOUT}/payments", json=WISH, headers=key)
        other = await page.post(f"{CHECKOUT}/payments", json=WISH | {"vpa": "other@upi"}, headers=key)

    assert expect(201, second)["payment"] == expect(201, first)["payment"]
    assert second.headers["idempotent-replayed"] == "true"
    expect_error(422, "idempotency_key_reuse", other)
    async with browser(api, **{"X-Client-Token": second.json()["client_token"]}) as page:
        expect(200, await page.get(f"{CHECKOUT}/payments/{first.json()['payment']['id']}"))
    assert len(expect(200, await api.client.get("/api/v1/payments"))["data"]) == 1


async def test_without_the_payments_own_token_nothing_is_shown(api: Api) -> None:
    made, other = await pay(api), await pay(api)
    token = made["client_token"]
    content, _, digest = token.partition(".")
    wrong = [
        None, "", "x", ".", "..", token[:-1], token + "0", f"{content}.", f".{digest}", token.upper(),
        other["client_token"], f"{other['client_token'].partition('.')[0]}.{digest}", "\xe9.\xe9", "é" * 50,
    ]  # fmt: skip

    async with browser(api) as page:
        for value in wrong:
            headers = {} if value is None else {b"X-Client-Token": value.encode("latin-1")}
            response = await page.get(f"{CHECKOUT}/payments/{made['payment']['id']}", headers=headers)

            message = expect_error(401, "unauthenticated", response)
            assert message == "The X-Client-Token header does not fit this payment."


async def test_a_token_ends_after_half_an_hour(api: Api, database_url: str, redis_url: str, master_key: str) -> None:
    def later() -> datetime:
        return system_clock() + timedelta(minutes=31)

    made = await pay(api)
    path, token = f"{CHECKOUT}/payments/{made['payment']['id']}", {"X-Client-Token": made["client_token"]}

    async with running_api(database_url, redis_url, master_key, clock=later) as api_later, browser(api_later) as page:
        response = await page.get(path, headers=token)

    assert expect_error(401, "unauthenticated", response) == "The client token has expired."


async def test_a_token_opens_nothing_for_another_merchants_key(api: Api) -> None:
    made = await pay(api)
    await api.add_key("key_test_other", "mer_other", "secret-of-the-other")

    async with api.browser(**{"X-Api-Key": "key_test_other", "X-Client-Token": made["client_token"]}) as page:
        response = await page.get(f"{CHECKOUT}/payments/{made['payment']['id']}")

    expect_error(404, "not_found", response)


async def test_the_page_can_not_choose_the_amount(api: Api) -> None:
    async with browser(api) as page:
        response = await page.post(f"{CHECKOUT}/payments", json=WISH | {"amount": 1})

    assert expect_error(422, "validation_failed", response) == "amount: is not a field of this request."


async def test_without_a_known_key_checkout_is_closed(api: Api) -> None:
    for headers in ({}, {"X-Api-Key": "key_test_unknown"}, {"X-Api-Key": ""}):
        async with api.browser(**headers) as page:
            response = await page.get(f"{CHECKOUT}/orders/ord_test_001")

        message = expect_error(401, "unauthenticated", response)
        assert message == "The X-Api-Key header holds no key that is known and active."


async def test_in_live_mode_an_unknown_order_is_not_found(api: Api) -> None:
    await api.add_key("key_live_shop", "mer_shop", "secret-of-the-shop")

    async with api.browser(**{"X-Api-Key": "key_live_shop"}) as page:
        expect_error(404, "not_found", await page.get(f"{CHECKOUT}/orders/ord_test_001"))
        expect_error(404, "not_found", await page.post(f"{CHECKOUT}/payments", json=WISH))


async def test_any_pages_script_may_ask_and_read_the_answer(api: Api) -> None:
    preflight = SHOP | {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-api-key, idempotency-key",
    }

    async with browser(api) as page:
        allowed = await page.options(f"{CHECKOUT}/payments", headers=preflight)
        paid = await page.post(f"{CHECKOUT}/payments", json=WISH, headers=SHOP)
        refused = await page.post(f"{CHECKOUT}/payments", json={}, headers=SHOP)

    assert allowed.status_code == 200
    assert "x-api-key" in allowed.headers["access-control-allow-headers"].lower()
    for response in (allowed, paid, refused):
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers
        assert response.headers["x-request-id"]
    assert "x-request-id" in paid.headers["access-control-expose-headers"].lower()


async def test_a_script_is_not_let_near_the_merchants_own_routes(api: Api) -> None:
    preflight = SHOP | {"Access-Control-Request-Method": "POST"}

    responses = [
        await api.client.options("/api/v1/payments", headers=preflight),
        await api.client.get("/api/v1/payments", headers=SHOP),
        await api.client.get("/api/v1/checkout", headers=SHOP),
    ]

    assert not any("access-control-allow-origin" in response.headers for response in responses)


async def test_a_page_that_missed_the_answer_gets_the_same_payment_again(api: Api) -> None:
    async with browser(api, **{"Idempotency-Key": "checkout-attempt-1"}) as page:
        first = await page.post(f"{CHECKOUT}/payments", json=WISH)
        again = await page.post(f"{CHECKOUT}/payments", json=WISH)
        other = await page.post(f"{CHECKOUT}/payments", json=WISH | {"vpa": "other@upi"})

    assert expect(201, first)["payment"] == expect(201, again)["payment"]
    assert again.headers["Idempotent-Replayed"] == "true"
    expect_error(422, "idempotency_key_reuse", other)

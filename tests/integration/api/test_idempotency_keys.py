"""The inspector of idempotency keys over HTTP: what a key answered, how often again, and never a secret."""

from typing import Any, Final

import pytest
from tests.support.api import NEW_PAYMENT, Api, expect, expect_error

KEY: Final = "inspect-12345678"
ORDERS: Final = "/api/v1/orders"
PAYMENTS: Final = "/api/v1/payments"
NEW_ORDER: Final = {"amount": 50_000, "currency": "INR"}


async def inspect(api: Api, key: str = KEY, **headers: str) -> list[dict[str, Any]]:
    page = expect(200, await api.client.get(f"/api/v1/idempotency/{key}", headers=headers))
    assert (page["object"], page["has_more"], page["next_cursor"]) == ("list", False, None)
    uses: list[dict[str, Any]] = page["data"]
    return uses


async def test_a_key_shows_the_request_it_answered_and_with_what(api: Api) -> None:
    answered = await api.client.post(PAYMENTS, json=NEW_PAYMENT, headers={"Idempotency-Key": KEY})

    [use] = await inspect(api)

    payment = expect(201, answered)
    assert use.pop("expires_at")[:10] > use["created_at"][:10]
    assert use == {
        "object": "idempotency_key",
        "key": KEY,
        "route": f"POST {PAYMENTS}",
        "request_id": answered.headers["x-request-id"],
        "response_status": 201,
        "response_body": payment,
        "replays": 0,
        "last_replayed_at": None,
        "created_at": payment["created_at"],
    }


async def test_replays_are_counted_on_every_kind_of_route_and_refusals_are_not(api: Api) -> None:
    payment_id = await api.create_captured()
    order = NEW_ORDER
    for path, json in (
        (PAYMENTS, NEW_PAYMENT),
        (ORDERS, order),
        (f"{PAYMENTS}/{payment_id}/refunds", {"amount": 100}),
        ("/api/v1/checkout/payments", {"order_id": "cart-7", "method": "upi", "vpa": "test@upi"}),
    ):
        for _ in range(4):
            expect(201, await api.client.post(path, json=json, headers={"Idempotency-Key": KEY}))
        wrong = (
            json | {"metadata": {"another": "body"}}
            if path != "/api/v1/checkout/payments"
            else json | {"vpa": "a1@upi"}
        )
        response = await api.client.post(path, json=wrong, headers={"Idempotency-Key": KEY})
        expect_error(422, "idempotency_key_reuse", response)

    uses = await inspect(api)

    assert [(use["route"], use["replays"]) for use in uses] == [
        ("POST /api/v1/checkout/payments", 3),
        ("POST /api/v1/payments/{payment_id}/refunds", 3),
        (f"POST {ORDERS}", 3),
        (f"POST {PAYMENTS}", 3),
    ], "the latest first"
    assert all(use["last_replayed_at"] > use["created_at"] for use in uses)


async def test_capture_and_cancel_are_found_by_their_route(api: Api) -> None:
    captured, cancelled = await api.create_authorized(), await api.create_authorized()
    for payment_id, action in ((captured, "capture"), (cancelled, "cancel")):
        path = f"{PAYMENTS}/{payment_id}/{action}"
        expect(200, await api.client.post(path, headers={"Idempotency-Key": KEY}))

    uses = await inspect(api)

    assert {use["route"]: use["response_body"]["id"] for use in uses} == {
        f"POST {PAYMENTS}/{{payment_id}}/capture": captured,
        f"POST {PAYMENTS}/{{payment_id}}/cancel": cancelled,
    }


async def test_an_answer_with_a_secret_is_counted_but_not_shown(api: Api) -> None:
    headers = {"Idempotency-Key": KEY}
    first = await api.client.post(
        "/api/v1/webhook-endpoints", json={"url": "https://shop.example/hooks"}, headers=headers
    )
    await api.client.post("/api/v1/webhook-endpoints", json={"url": "https://shop.example/hooks"}, headers=headers)

    response = await api.client.get(f"/api/v1/idempotency/{KEY}")

    [use] = expect(200, response)["data"]
    assert (use["response_status"], use["response_body"], use["replays"]) == (201, None, 1)
    assert expect(201, first)["secret"] not in response.text
    assert "whsec_" not in response.text


async def test_a_key_is_seen_by_its_own_merchant_in_its_own_mode_only(api: Api) -> None:
    other = await api.add_key("key_test_other", "mer_other", "secret-of-the-other")
    live = await api.add_key("key_live_same", "mer_test", "secret-of-the-live")
    expect(201, await api.client.post(ORDERS, json=NEW_ORDER, headers={"Idempotency-Key": KEY}))

    for headers in (other, live):
        response = await api.client.get(f"/api/v1/idempotency/{KEY}", headers=headers)
        expect_error(404, "not_found", response)
    theirs = expect(201, await api.client.post(ORDERS, json=NEW_ORDER, headers={"Idempotency-Key": KEY} | other))
    [use] = await inspect(api, **other)
    assert use["response_body"] == theirs


async def test_a_request_that_was_refused_left_nothing(api: Api) -> None:
    response = await api.client.post(ORDERS, json={}, headers={"Idempotency-Key": KEY})
    expect_error(422, "validation_failed", response)

    message = expect_error(404, "not_found", await api.client.get(f"/api/v1/idempotency/{KEY}"))

    assert message == "No answer is kept under this key: it is new, older than 30 days, or still running."


@pytest.mark.parametrize("key", ["a/b/c/d/e/f", "~!@#$%^&*()", "?q=1&limit=2", "../../orders", "x" * 255])
async def test_whatever_may_be_a_key_can_be_looked_up(api: Api, key: str) -> None:
    expect(201, await api.client.post(ORDERS, json=NEW_ORDER, headers={"Idempotency-Key": key}))

    [use] = await inspect(api, "".join(f"%{ord(character):02X}" for character in key))

    assert use["key"] == key


@pytest.mark.parametrize("key", ["short", "%00%00%00%00%00%00%00%00", "with%20space", "x" * 256])
async def test_what_can_not_be_a_key_is_not_found(api: Api, key: str) -> None:
    expect_error(404, "not_found", await api.client.get(f"/api/v1/idempotency/{key}"))

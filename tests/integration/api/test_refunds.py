"""Refunds over HTTP: never more than was captured, whoever asks at once."""

import asyncio

import orjson
from sqlalchemy import text
from tests.support.api import Api, expect, expect_error

PAYMENTS = "/api/v1/payments"
REFUNDS = "/api/v1/refunds"


async def test_a_refund_of_a_captured_payment_is_pending(api: Api) -> None:
    payment_id = await api.create_captured()

    response = await api.client.post(
        f"{PAYMENTS}/{payment_id}/refunds",
        json={"amount": 1000, "reason": "Customer requested", "metadata": {"ticket": "9"}},
    )

    refund = expect(201, response)
    assert refund.pop("id").startswith("rfnd_")
    assert refund.pop("created_at") == refund.pop("updated_at")
    assert refund == {
        "object": "refund",
        "payment_id": payment_id,
        "amount": 1000,
        "currency": "INR",
        "reason": "Customer requested",
        "status": "pending",
        "error": None,
        "metadata": {"ticket": "9"},
        "livemode": False,
        "version": 1,
    }


async def test_a_refund_reads_back_as_it_was_answered_and_its_event_holds_it(api: Api) -> None:
    payment_id = await api.create_captured()

    refund = expect(201, await api.client.post(f"{PAYMENTS}/{payment_id}/refunds", json={"amount": 1000}))

    assert expect(200, await api.client.get(f"{REFUNDS}/{refund['id']}")) == refund
    async with api.database.statement() as connection:
        query = text("SELECT body FROM events WHERE object_id = :id AND type = 'refund.created'")
        body = await connection.scalar(query, {"id": refund["id"]})
    assert orjson.loads(body)["data"] == {"refund": refund}


async def test_a_pending_refund_does_not_count_as_refunded_yet(api: Api) -> None:
    payment_id = await api.create_captured()
    await api.client.post(f"{PAYMENTS}/{payment_id}/refunds", json={"amount": 1000})

    assert expect(200, await api.client.get(f"{PAYMENTS}/{payment_id}"))["amount_refunded"] == 0


async def test_without_an_amount_the_rest_is_refunded_and_then_nothing_is_left(api: Api) -> None:
    payment_id = await api.create_captured()
    await api.complete_capture(payment_id)
    expect(201, await api.client.post(f"{PAYMENTS}/{payment_id}/refunds", json={"amount": 20_000}))

    rest = expect(201, await api.client.post(f"{PAYMENTS}/{payment_id}/refunds"))
    response = await api.client.post(f"{PAYMENTS}/{payment_id}/refunds")

    assert rest["amount"] == 30_000
    message = expect_error(409, "payment_state_conflict", response)
    assert message == "Nothing is left to refund: all that was captured is refunded or on its way."


async def test_more_than_is_left_is_refused_and_what_is_left_is_named(api: Api) -> None:
    payment_id = await api.create_captured()
    expect(201, await api.client.post(f"{PAYMENTS}/{payment_id}/refunds", json={"amount": 20_000}))

    response = await api.client.post(f"{PAYMENTS}/{payment_id}/refunds", json={"amount": 30_001})

    message = expect_error(422, "validation_failed", response)
    assert message == "The amount is more than is left to refund (300.00 INR)."
    assert response.json()["error"]["param"] == "amount"


async def test_only_what_was_captured_of_a_partial_capture_can_be_refunded(api: Api) -> None:
    payment_id = await api.create_authorized()
    expect(200, await api.client.post(f"{PAYMENTS}/{payment_id}/capture", json={"amount": 10_000}))

    assert expect(201, await api.client.post(f"{PAYMENTS}/{payment_id}/refunds"))["amount"] == 10_000


async def test_what_is_not_captured_is_not_refunded_and_says_what_it_is(api: Api) -> None:
    pending = (await api.create())["id"]
    authorized = await api.create_authorized()

    for payment_id, status in ((pending, "pending"), (authorized, "success")):
        response = await api.client.post(f"{PAYMENTS}/{payment_id}/refunds", json={"amount": 1000})

        message = expect_error(409, "payment_state_conflict", response)
        assert message == f"Only a captured payment can be refunded; this one is {status} and not captured."


async def test_an_unknown_payment_can_not_be_refunded(api: Api) -> None:
    expect_error(404, "not_found", await api.client.post(f"{PAYMENTS}/pay_00000/refunds"))
    expect_error(404, "not_found", await api.client.get(f"{PAYMENTS}/pay_00000/refunds"))
    expect_error(404, "not_found", await api.client.get(f"{REFUNDS}/rfnd_00000"))


async def test_twenty_refunds_at_once_never_pass_what_was_captured(api: Api) -> None:
    payment_id = await api.create_captured()

    responses = await asyncio.gather(
        *(api.client.post(f"{PAYMENTS}/{payment_id}/refunds", json={"amount": 3_000}) for _ in range(20))
    )

    made = [response.json() for response in responses if response.status_code == 201]
    refused = [response for response in responses if response.status_code != 201]
    assert len(made) == 16
    assert {response.status_code for response in refused} == {422}
    page = expect(200, await api.client.get(f"{PAYMENTS}/{payment_id}/refunds", params={"limit": 100}))
    assert {refund["id"] for refund in page["data"]} == {refund["id"] for refund in made}
    assert sum(refund["amount"] for refund in page["data"]) == 48_000


async def test_of_twenty_refunds_of_everything_at_once_one_is_made(api: Api) -> None:
    payment_id = await api.create_captured()

    responses = await asyncio.gather(*(api.client.post(f"{PAYMENTS}/{payment_id}/refunds") for _ in range(20)))

    assert sorted(response.status_code for response in responses) == [201] + [409] * 19


async def test_refunds_are_listed_page_by_page_of_one_payment_or_of_all(api: Api) -> None:
    first, second = await api.create_captured(), await api.create_captured()
    of_first = [
        expect(201, await api.client.post(f"{PAYMENTS}/{first}/refunds", json={"amount": 100}))["id"] for _ in range(3)
    ]
    of_second = expect(201, await api.client.post(f"{PAYMENTS}/{second}/refunds", json={"amount": 100}))["id"]

    page = expect(200, await api.client.get(f"{PAYMENTS}/{first}/refunds", params={"limit": 2}))
    query = {"limit": 2, "starting_after": page["next_cursor"]}
    rest = expect(200, await api.client.get(f"{PAYMENTS}/{first}/refunds", params=query))
    everything = expect(200, await api.client.get(REFUNDS))

    assert [refund["id"] for refund in page["data"] + rest["data"]] == of_first[::-1]
    assert (page["has_more"], rest["has_more"], rest["next_cursor"]) == (True, False, None)
    assert [refund["id"] for refund in everything["data"]] == [of_second, *of_first[::-1]]

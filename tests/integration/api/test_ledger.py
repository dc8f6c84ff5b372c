"""Balance and ledger over HTTP, through captures, refunds that succeed and fail, and fees."""

from typing import Any, Final

from tests.support.api import Api, expect, expect_error
from tests.support.processing import Process
from tests.support.records import write_rows

from gateway_common.db.database import Database

PAYMENTS: Final = "/api/v1/payments"
EMPTY: Final = {"available": 0, "held_for_refunds": 0, "fees": 0, "with_providers": 0}


async def balance(api: Api, currency: str = "INR", **headers: str) -> dict[str, int]:
    """The merchant's line of this currency; all lines must add up."""
    body = expect(200, await api.client.get("/api/v1/balance", headers=headers))
    assert body["object"] == "balance"
    for line in body["data"]:
        assert line["available"] + line["held_for_refunds"] + line["fees"] == line["with_providers"]
    lines = {line.pop("currency"): line for line in body["data"]}
    found: dict[str, int] = lines.get(currency, EMPTY)
    return found


async def entries(api: Api, **query: Any) -> list[dict[str, Any]]:
    page = expect(200, await api.client.get("/api/v1/ledger/entries", params={"limit": 100} | query))
    listed: list[dict[str, Any]] = page["data"]
    assert listed == sorted(listed, key=lambda entry: entry["id"], reverse=True)
    return listed


def by_transaction(listed: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """What each posting moved, by account; every one of them must sum to zero."""
    postings: dict[str, dict[str, int]] = {}
    for entry in listed:
        postings.setdefault(entry["transaction_id"], {})[entry["account"]] = entry["amount"]
    assert all(sum(lines.values()) == 0 for lines in postings.values())
    return postings


async def captured(api: Api, process: Process, amount: int | None = None, **values: Any) -> str:
    payment_id: str = (await api.create(**values))["id"]
    await process(payment_id)
    json = None if amount is None else {"amount": amount}
    expect(200, await api.client.post(f"{PAYMENTS}/{payment_id}/capture", json=json))
    await process(payment_id)
    return payment_id


async def refund(api: Api, payment_id: str, amount: int) -> str:
    made = expect(201, await api.client.post(f"{PAYMENTS}/{payment_id}/refunds", json={"amount": amount}))
    refund_id: str = made["id"]
    return refund_id


async def test_who_has_taken_nothing_has_an_empty_balance(api: Api) -> None:
    body = expect(200, await api.client.get("/api/v1/balance"))

    assert body == {"object": "balance", "livemode": False, "data": []}
    assert await entries(api) == []


async def test_money_is_there_when_the_provider_took_it_and_not_when_the_capture_was_decided(
    api: Api, process: Process
) -> None:
    payment_id = (await api.create())["id"]
    await process(payment_id)
    expect(200, await api.client.post(f"{PAYMENTS}/{payment_id}/capture", json={"amount": 30_000}))
    assert await balance(api) == EMPTY

    await process(payment_id)

    assert await balance(api) == EMPTY | {"available": 30_000, "with_providers": 30_000}
    assert by_transaction(await entries(api)) == {
        f"{payment_id}:capture:1": {"provider_clearing": -30_000, "merchant_balance": 30_000}
    }


async def test_a_refund_is_held_at_once_and_gone_when_the_customer_has_it(api: Api, process: Process) -> None:
    payment_id = await captured(api, process)

    refund_id = await refund(api, payment_id, 1_000)
    held = await balance(api)
    await process(payment_id)

    assert held == {"available": 49_000, "held_for_refunds": 1_000, "fees": 0, "with_providers": 50_000}
    assert await balance(api) == EMPTY | {"available": 49_000, "with_providers": 49_000}
    postings = by_transaction(await entries(api, payment_id=payment_id))
    assert postings[f"{refund_id}:hold"] == {"merchant_balance": -1_000, "refund_hold": 1_000}
    assert postings[f"{refund_id}:processed"] == {"refund_hold": -1_000, "provider_clearing": 1_000}


async def test_a_refund_that_fails_gives_back_what_it_held(api: Api, process: Process) -> None:
    payment_id = await captured(api, process)
    refund_id = await refund(api, payment_id, 1_013)

    await process(payment_id)

    assert expect(200, await api.client.get(f"/api/v1/refunds/{refund_id}"))["status"] == "failed"
    assert await balance(api) == EMPTY | {"available": 50_000, "with_providers": 50_000}
    postings = by_transaction(await entries(api))
    assert postings[f"{refund_id}:released"] == {"refund_hold": -1_013, "merchant_balance": 1_013}


async def test_a_fee_is_taken_of_what_was_captured_at_the_rate_of_the_time_the_payment_was_made(
    api: Api, process: Process, owner: Database
) -> None:
    shop = await api.add_key("key_test_shop", "mer_shop", "secret-of-the-shop")
    await write_rows(owner, "UPDATE merchants SET fee_basis_points = 250 WHERE id = 'mer_shop'")
    payment = {"amount": 50_000, "currency": "INR", "method": "wallet", "wallet": "paytm"}
    made = expect(201, await api.client.post(PAYMENTS, json=payment, headers=shop))
    await write_rows(owner, "UPDATE merchants SET fee_basis_points = 0")

    await process(made["id"])
    path = f"{PAYMENTS}/{made['id']}/capture"
    expect(200, await api.client.post(path, json={"amount": 30_020}, headers=shop))
    await process(made["id"])

    assert await balance(api, **shop) == {
        "available": 29_269, "held_for_refunds": 0, "fees": 751, "with_providers": 30_020,
    }  # fmt: skip
    assert await balance(api) == EMPTY, "it is the shop's, not ours"


async def test_each_currency_has_its_line(api: Api, process: Process) -> None:
    await captured(api, process)
    await captured(api, process, currency="JPY", amount=700)

    assert (await balance(api, "JPY"))["available"] == 700
    assert (await balance(api, "INR"))["available"] == 50_000
    body = expect(200, await api.client.get("/api/v1/balance"))
    assert [line["currency"] for line in body["data"]] == ["INR", "JPY"]


async def test_what_was_authorized_declined_or_cancelled_moves_nothing(api: Api, process: Process) -> None:
    for vpa in ("test@upi", "failure@upi"):
        await process((await api.create(vpa=vpa))["id"])
    cancelled = (await api.create())["id"]
    await process(cancelled)
    expect(200, await api.client.post(f"{PAYMENTS}/{cancelled}/cancel"))
    await process(cancelled)

    assert await entries(api) == []


async def test_entries_are_complete_and_listed_in_pages_or_of_one_payment(api: Api, process: Process) -> None:
    first, second = await captured(api, process), await captured(api, process)
    refund_id = await refund(api, first, 100)

    everything = await entries(api)
    query = {"limit": 4}
    page = expect(200, await api.client.get("/api/v1/ledger/entries", params=query))
    rest = await entries(api, starting_after=page["next_cursor"])

    assert page["data"] + rest == everything
    assert {entry["payment_id"] for entry in await entries(api, payment_id=second)} == {second}
    assert {entry["refund_id"] for entry in await entries(api, payment_id=first)} == {None, refund_id}
    assert everything[0].keys() == {
        "id", "object", "transaction_id", "kind", "account", "amount", "currency", "payment_id", "refund_id",
        "livemode", "created_at",
    }  # fmt: skip
    assert await entries(api, payment_id="pay_unknown") == []
    response = await api.client.get("/api/v1/ledger/entries", params={"payment_id": ""})
    expect_error(422, "validation_failed", response)

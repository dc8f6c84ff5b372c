"""Webhook endpoints and deliveries over HTTP: a secret is shown once, and deleting cancels what waits."""

import re

from sqlalchemy import text
from tests.support.api import Api, expect, expect_error
from tests.support.webhooks import DELIVERIES, ENDPOINTS, create_endpoint, list_deliveries


async def test_a_new_endpoint_is_enabled_and_shows_its_secret(api: Api) -> None:
    endpoint = await create_endpoint(api, description="Shop", event_types=["payment.success", "refund.failed"])

    assert endpoint.pop("id").startswith("we_")
    assert endpoint.pop("created_at") == endpoint.pop("updated_at")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", endpoint.pop("secret"))
    assert endpoint == {
        "object": "webhook_endpoint",
        "url": "https://shop.example/hooks",
        "description": "Shop",
        "event_types": ["payment.success", "refund.failed"],
        "status": "enabled",
        "disabled_reason": None,
        "timeout_seconds": None,
        "max_in_flight": None,
        "rate_limit_per_second": None,
        "header_names": [],
        "retry_tail": False,
        "auto_recover": True,
        "old_secret_expires_at": None,
        "livemode": False,
        "version": 1,
    }


async def test_the_secret_is_shown_only_at_creation_and_stored_sealed(api: Api) -> None:
    endpoint = await create_endpoint(api)
    secret = endpoint.pop("secret")

    read = expect(200, await api.client.get(f"{ENDPOINTS}/{endpoint['id']}"))
    listed = expect(200, await api.client.get(ENDPOINTS))

    assert read.pop("health")["consecutive_failures"] == 0
    assert read == endpoint
    assert listed["data"] == [endpoint]
    async with api.database.statement() as connection:
        (row,) = (await connection.execute(text("SELECT * FROM webhook_endpoints"))).all()
    assert secret not in repr(row)
    assert secret.removeprefix("whsec_") not in repr(row)


async def test_endpoints_are_listed_page_by_page(api: Api) -> None:
    made = [(await create_endpoint(api))["id"] for _ in range(3)]

    page = expect(200, await api.client.get(ENDPOINTS, params={"limit": 2}))
    query = {"limit": 2, "starting_after": page["next_cursor"]}
    rest = expect(200, await api.client.get(ENDPOINTS, params=query))

    assert [endpoint["id"] for endpoint in page["data"] + rest["data"]] == made[::-1]


async def test_an_event_is_owed_to_every_endpoint_that_wants_its_type(api: Api) -> None:
    everything = await create_endpoint(api)
    chosen = await create_endpoint(api, event_types=["payment.created"])
    await create_endpoint(api, event_types=["refund.created"])

    await api.create()

    deliveries = await list_deliveries(api)
    assert {delivery["endpoint_id"] for delivery in deliveries} == {everything["id"], chosen["id"]}


async def test_a_delivery_shows_where_it_stands(api: Api) -> None:
    endpoint = await create_endpoint(api)
    await api.create()

    (delivery,) = await list_deliveries(api)

    assert delivery["id"].startswith("dlv_")
    assert delivery["event_id"].startswith("evt_")
    assert delivery["due_at"].endswith("Z")
    assert (
        delivery.items()
        >= {
            "object": "webhook_delivery",
            "event_type": "payment.created",
            "endpoint_id": endpoint["id"],
            "url": "https://shop.example/hooks",
            "status": "pending",
            "attempts": 0,
            "last_response_status": None,
            "last_error": None,
            "livemode": False,
        }.items()
    )


async def test_deliveries_are_listed_newest_first_page_by_page(api: Api) -> None:
    await create_endpoint(api)
    for _ in range(5):
        await api.create()

    everything = await list_deliveries(api)
    page = expect(200, await api.client.get(DELIVERIES, params={"limit": 3}))
    rest = await list_deliveries(api, limit=3, starting_after=page["next_cursor"])

    assert [delivery["created_at"] for delivery in everything] == sorted(
        (delivery["created_at"] for delivery in everything), reverse=True
    )
    assert page["data"] + rest == everything
    assert len(everything) == 5


async def test_deleting_cancels_what_waits_and_keeps_the_history(api: Api) -> None:
    deleted, kept = await create_endpoint(api), await create_endpoint(api)
    await api.create()

    response = await api.client.delete(f"{ENDPOINTS}/{deleted['id']}")
    await api.create()

    assert (response.status_code, response.content) == (204, b"")
    deliveries = await list_deliveries(api)
    statuses = [(delivery["endpoint_id"], delivery["status"], delivery["due_at"] is None) for delivery in deliveries]
    assert sorted(statuses) == sorted(
        [(deleted["id"], "cancelled", True), (kept["id"], "pending", False), (kept["id"], "pending", False)]
    )


async def test_a_deleted_endpoint_is_gone(api: Api) -> None:
    endpoint = await create_endpoint(api)
    await api.client.delete(f"{ENDPOINTS}/{endpoint['id']}")

    expect_error(404, "not_found", await api.client.get(f"{ENDPOINTS}/{endpoint['id']}"))
    expect_error(404, "not_found", await api.client.delete(f"{ENDPOINTS}/{endpoint['id']}"))
    assert expect(200, await api.client.get(ENDPOINTS))["data"] == []


async def test_an_unknown_endpoint_is_not_found(api: Api) -> None:
    for method in ("GET", "DELETE"):
        message = expect_error(404, "not_found", await api.client.request(method, f"{ENDPOINTS}/we_00000"))

        assert message == "There is no such webhook endpoint."


async def test_in_live_mode_only_https_is_accepted(api: Api) -> None:
    live = await api.add_key("key_live_shop", "mer_shop", "secret-of-the-shop")

    refused = await api.client.post(ENDPOINTS, json={"url": "http://shop.example/hooks"}, headers=live)
    accepted = await api.client.post(ENDPOINTS, json={"url": "HTTPS://shop.example/hooks"}, headers=live)

    assert expect_error(422, "validation_failed", refused) == "In live mode the address must be https://."
    assert expect(201, accepted)["livemode"] is True

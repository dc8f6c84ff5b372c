"""Changing a webhook endpoint over HTTP: what it may ask for, pausing, and how many there may be."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.support.api import Api, expect, expect_error, running_api
from tests.support.records import number_all_events, read_rows, write_rows
from tests.support.webhooks import (
    ENDPOINTS,
    create_endpoint,
    list_deliveries,
    post,
    read_endpoint,
    update_endpoint,
)

from gateway_common.webhooks.changes import ENDPOINTS_MOST
from gateway_common.webhooks.sealing import unseal_headers

WISHES: dict[str, Any] = {
    "description": "Shop",
    "event_types": ["payment.success"],
    "timeout_seconds": 30,
    "max_in_flight": 1,
    "rate_limit_per_second": 1000,
    "retry_tail": True,
    "auto_recover": False,
}
HEADERS = {"Authorization": "Bearer of-the-shop", "X-Api-Token": "two words"}
HIDDEN = ("of-the-shop", "two words")


async def stored_headers(api: Api, endpoint_id: str) -> dict[str, str] | None:
    query = "SELECT sealed_headers FROM webhook_endpoints WHERE id = :id"
    [row] = await read_rows(api.database, query, id=endpoint_id)
    sealed = row["sealed_headers"]
    if sealed is None:
        return None
    return unseal_headers(api.keyring, sealed, endpoint_id)


async def test_an_endpoint_is_made_with_all_it_may_ask_for(api: Api) -> None:
    endpoint = await create_endpoint(api, **WISHES, headers=HEADERS)

    assert endpoint.items() >= WISHES.items()
    assert endpoint["header_names"] == list(HEADERS)
    assert await stored_headers(api, endpoint["id"]) == HEADERS


async def test_only_what_is_said_changes_and_null_clears(api: Api) -> None:
    before = await create_endpoint(api)
    del before["secret"]

    after = await update_endpoint(api, before["id"], **WISHES, url="https://other.example/")
    cleared = await update_endpoint(
        api, before["id"], timeout_seconds=None, max_in_flight=None, rate_limit_per_second=None, description=None
    )

    changed = WISHES | {"url": "https://other.example/", "version": 2, "updated_at": after["updated_at"]}
    assert after == before | changed
    nothing = dict.fromkeys(("timeout_seconds", "max_in_flight", "rate_limit_per_second", "description"))
    assert cleared == after | nothing | {"version": 3, "updated_at": cleared["updated_at"]}
    assert await read_endpoint(api, before["id"]) == cleared


async def test_what_changes_nothing_leaves_the_endpoint_as_it_is(api: Api) -> None:
    before = await create_endpoint(api, **WISHES, headers=HEADERS)
    del before["secret"]

    assert await update_endpoint(api, before["id"]) == before
    same = WISHES | {"url": before["url"], "status": "enabled", "headers": dict(reversed(HEADERS.items()))}
    assert await update_endpoint(api, before["id"], **same) == before
    assert await read_rows(api.database, "SELECT FROM events") == []


@pytest.mark.parametrize("nothing", [{}, None])
async def test_headers_are_replaced_as_a_whole_and_removed(api: Api, nothing: dict[str, str] | None) -> None:
    endpoint_id = (await create_endpoint(api, headers=HEADERS))["id"]

    after = await update_endpoint(api, endpoint_id, headers={"X-Other": "1"})
    assert (after["header_names"], after["version"]) == (["X-Other"], 2)
    assert await stored_headers(api, endpoint_id) == {"X-Other": "1"}

    after = await update_endpoint(api, endpoint_id, headers=nothing)
    assert (after["header_names"], after["version"]) == ([], 3)
    assert await stored_headers(api, endpoint_id) is None


async def test_headers_are_nowhere_in_clear(api: Api) -> None:
    with capture_logs() as logs:
        first = await post(api, ENDPOINTS, "key-of-headers", url="https://shop.example", headers=HEADERS)
        again = await post(api, ENDPOINTS, "key-of-headers", url="https://shop.example", headers=HEADERS)
        endpoint_id = expect(201, first)["id"]
        shown = await api.client.patch(f"{ENDPOINTS}/{endpoint_id}", json={"headers": HEADERS | {"X-Third": "3"}})
        refused = await api.client.patch(f"{ENDPOINTS}/{endpoint_id}", json={"headers": HEADERS | {"Host": "x"}})
        too_many = {f"X-{number}": "of-the-shop" for number in range(11)}
        long = await api.client.patch(f"{ENDPOINTS}/{endpoint_id}", json={"headers": too_many})

    assert again.content == first.content
    expect_error(422, "validation_failed", refused)
    expect_error(422, "validation_failed", long)
    answers = [response.text for response in (first, again, shown, refused, long)]
    rows = [
        await read_rows(api.database, f"SELECT * FROM {name}") for name in ("webhook_endpoints", "idempotency_keys")
    ]
    seen = repr([logs, answers, rows])
    assert [word for word in HIDDEN if word in seen] == []


async def test_another_header_value_is_another_request(api: Api) -> None:
    expect(201, await post(api, ENDPOINTS, "key-of-values", url="https://shop.example", headers={"X-A": "1"}))
    other = await post(api, ENDPOINTS, "key-of-values", url="https://shop.example", headers={"X-A": "2"})

    expect_error(422, "idempotency_key_reuse", other)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"timeout_seconds": 4}, "timeout_seconds: must be at least 5."),
    ({"timeout_seconds": 31}, "timeout_seconds: must be at most 30."),
    ({"timeout_seconds": 10.0}, "timeout_seconds: must be a whole number."),
    ({"max_in_flight": 0}, "max_in_flight: must be at least 1."),
    ({"max_in_flight": 101}, "max_in_flight: must be at most 100."),
    ({"rate_limit_per_second": 1001}, "rate_limit_per_second: must be at most 1000."),
    ({"rate_limit_per_second": True}, "rate_limit_per_second: must be a whole number."),
    (
        {"headers": {"X A": "1"}},
        "headers: each key must be a header name of at most 64 characters, such as X-Api-Token.",
    ),
    ({"headers": {"": "1"}}, "headers: each key must be a header name of at most 64 characters, such as X-Api-Token."),
    (
        {"headers": {"A" * 65: "1"}},
        "headers: each key must be a header name of at most 64 characters, such as X-Api-Token.",
    ),
    *(
        (
            {"headers": {"X-A": value}},
            "headers.X-A: must be 1 to 1024 visible ASCII characters, with no space at either end.",
        )
        for value in ("", " a", "a ", "a\r\nX-B: 1", "a\nb", "a\tb", "₹", "a" * 1025, "\x00", "\x7f")
    ),
    ({"headers": {"X-A": 1}}, "headers.X-A: must be a string."),
    ({"headers": {"X-A": None}}, "headers.X-A: must be a string."),
    ({"headers": {"X-A": "1", "x-a": "2"}}, "headers: X-A is there twice."),
    ({"headers": {f"X-{number}": "1" for number in range(11)}}, "headers: must have at most 10 entries."),
    *(
        ({"headers": {name: "1"}}, f"headers: {name} can't be set: the request says it by itself, or must not say it.")
        for name in (
            *("Host", "CONTENT-TYPE", "content-length", "Content-Encoding", "Transfer-Encoding", "Connection", "TE"),
            *("Keep-Alive", "Trailer", "Upgrade", "Expect", "Accept-Encoding", "User-Agent", "Cookie", "traceparent"),
            *("tracestate", "Webhook-Id", "webhook-signature", "X-Webhook-Signature", "X-WEBHOOK-Other"),
            *("Proxy-Authorization", "proxy-connection"),
        )
    ),
    ({"event_types": ["payment.unknown"]}, "event_types.0: must be"),
    ({"url": "ftp://shop.example"}, "url: must be an http:// or https:// address in ASCII."),
    ({"retry_tail": 1}, "retry_tail: "),
    ({"retry_tail": None}, "retry_tail: "),
    ({"livemode": True}, "livemode: is not a field of this request."),
    ({"secret": "whsec_mine"}, "secret: is not a field of this request."),
]


@pytest.mark.parametrize(("values", "message"), WRONG, ids=lambda value: str(value)[:60])
async def test_a_wish_that_can_not_be_met_is_refused_at_creation_and_later(
    api: Api, values: dict[str, Any], message: str
) -> None:
    created = await api.client.post(ENDPOINTS, json={"url": "https://shop.example"} | values)
    assert expect_error(422, "validation_failed", created).startswith(message)

    before = await create_endpoint(api)
    changed = await api.client.patch(f"{ENDPOINTS}/{before['id']}", json=values)
    assert expect_error(422, "validation_failed", changed).startswith(message)
    assert (await read_endpoint(api, before["id"]))["version"] == 1


@pytest.mark.parametrize("values", [{"status": "disabled"}, {"status": "deleted"}, {"status": None}, {"url": None}])
async def test_only_pausing_and_enabling_is_a_merchants_to_do(api: Api, values: dict[str, Any]) -> None:
    endpoint_id = (await create_endpoint(api))["id"]

    refused = await api.client.patch(f"{ENDPOINTS}/{endpoint_id}", json=values)

    expect_error(422, "validation_failed", refused)


async def test_ten_long_headers_fit(api: Api) -> None:
    headers = {f"X-{number}-{'a' * 60}": "~" * 1024 for number in range(10)}

    endpoint = await create_endpoint(api, headers=headers)

    assert endpoint["header_names"] == list(headers)


async def test_what_waits_for_a_paused_endpoint_is_held_and_let_go_with_an_event(api: Api) -> None:
    paused_id, other_id = (await create_endpoint(api))["id"], (await create_endpoint(api))["id"]
    await api.create()

    assert (await update_endpoint(api, paused_id, status="paused"))["status"] == "paused"
    await api.create()
    assert [each["status"] for each in await list_deliveries(api, endpoint_id=paused_id)] == ["held", "held"]
    assert [each["status"] for each in await list_deliveries(api, endpoint_id=other_id)] == ["pending", "pending"]

    resumed = await update_endpoint(api, paused_id, status="enabled")

    assert (resumed["status"], resumed["version"]) == ("enabled", 3)
    deliveries = await list_deliveries(api, endpoint_id=paused_id)
    assert [each["event_type"] for each in deliveries] == [
        "webhook_endpoint.enabled", "payment.created", "payment.created",
    ]  # fmt: skip
    assert {each["status"] for each in deliveries} == {"pending"}
    await number_all_events(api.database)
    event = expect(200, await api.client.get(f"/api/v1/events/{deliveries[0]['event_id']}"))
    assert event["data"] == {"webhook_endpoint": resumed}


async def test_a_disabled_endpoint_is_enabled_or_paused(api: Api) -> None:
    endpoint_id = (await create_endpoint(api))["id"]
    disable = "UPDATE webhook_endpoints SET status = 'disabled', disabled_reason = 'gone'"
    await write_rows(api.database, disable)

    paused = await update_endpoint(api, endpoint_id, status="paused")
    assert (paused["status"], paused["disabled_reason"]) == ("paused", None)
    assert await list_deliveries(api) == []

    await write_rows(api.database, disable)
    enabled = await update_endpoint(api, endpoint_id, status="enabled", description="Mended")
    assert (enabled["status"], enabled["disabled_reason"], enabled["version"]) == ("enabled", None, 3)
    assert [each["event_type"] for each in await list_deliveries(api)] == ["webhook_endpoint.enabled"]


async def test_two_endpoints_enabled_at_once_wait_for_each_other_and_both_are_told_of(api: Api) -> None:
    ids = [(await create_endpoint(api))["id"] for _ in range(4)]
    for endpoint_id in ids:
        await update_endpoint(api, endpoint_id, status="paused")

    await asyncio.gather(*(update_endpoint(api, endpoint_id, status="enabled") for endpoint_id in ids))

    deliveries = await list_deliveries(api, limit=100)
    assert len(deliveries) == 16
    assert {each["status"] for each in deliveries} <= {"pending", "held"}


async def test_of_changes_at_once_none_is_lost(api: Api) -> None:
    endpoint_id = (await create_endpoint(api))["id"]
    changes: list[dict[str, Any]] = [{"status": "paused"}, {"timeout_seconds": 7}, {"description": "Shop"}]

    await asyncio.gather(*(update_endpoint(api, endpoint_id, **change) for change in changes))

    endpoint = await read_endpoint(api, endpoint_id)
    assert endpoint.items() >= {"status": "paused", "timeout_seconds": 7, "description": "Shop", "version": 4}.items()


async def test_what_is_deleted_or_not_the_callers_can_not_be_changed(api: Api) -> None:
    endpoint_id = (await create_endpoint(api))["id"]
    live = await api.add_key("key_live_shop", "mer_test", "secret-of-the-shop")
    for keys in (await api.add_key("key_test_other", "mer_other", "secret-of-the-other"), live):
        refused = await api.client.patch(f"{ENDPOINTS}/{endpoint_id}", json={"status": "paused"}, headers=keys)
        expect_error(404, "not_found", refused)
    await api.client.delete(f"{ENDPOINTS}/{endpoint_id}")

    expect_error(404, "not_found", await api.client.patch(f"{ENDPOINTS}/{endpoint_id}", json={"status": "enabled"}))


async def test_headers_that_can_not_be_opened_any_more_can_be_replaced(api: Api) -> None:
    endpoint_id = (await create_endpoint(api, headers=HEADERS))["id"]
    await write_rows(api.database, "UPDATE webhook_endpoints SET sealed_headers = 'broken'")

    await update_endpoint(api, endpoint_id, headers=HEADERS)

    assert await stored_headers(api, endpoint_id) == HEADERS


async def test_there_are_at_most_fifty_endpoints_however_many_are_asked_for_at_once(api: Api) -> None:
    made = await asyncio.gather(*(post(api, ENDPOINTS, url="https://shop.example") for _ in range(ENDPOINTS_MOST + 5)))

    refused = [response for response in made if response.status_code != 201]
    assert len(refused) == 5
    for response in refused:
        message = expect_error(409, "webhook_endpoint_limit", response)
        assert message == "There may be 50 webhook endpoints in one mode. Delete one first."
    live = await api.add_key("key_live_shop", "mer_test", "secret-of-the-shop")
    expect(201, await api.client.post(ENDPOINTS, json={"url": "https://shop.example"}, headers=live))
    endpoint_id = next(response.json()["id"] for response in made if response not in refused)
    await api.client.delete(f"{ENDPOINTS}/{endpoint_id}")
    expect(201, await post(api, ENDPOINTS, url="https://shop.example"))


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://shop.example/", "In live mode the address must be https://."),
        ("https://shop.example:8443/", "In live mode the port must be 443."),
        ("https://shop.example:80/", "In live mode the port must be 443."),
        ("https://shop.example:443/", None),
        ("HTTPS://shop.example", None),
    ],
)
async def test_a_live_endpoint_is_https_on_a_port_that_is_sent_to(api: Api, url: str, fault: str | None) -> None:
    live = await api.add_key("key_live_shop", "mer_shop", "secret-of-the-shop")
    endpoint = expect(201, await api.client.post(ENDPOINTS, json={"url": "https://shop.example"}, headers=live))

    created = await api.client.post(ENDPOINTS, json={"url": url}, headers=live)
    changed = await api.client.patch(f"{ENDPOINTS}/{endpoint['id']}", json={"url": url}, headers=live)

    for status, response in ((201, created), (200, changed)):
        if fault is None:
            assert expect(status, response)["url"] == url
        else:
            assert expect_error(422, "validation_failed", response) == fault


async def test_the_operator_may_open_other_live_ports(database_url: str, redis_url: str, master_key: str) -> None:
    async with running_api(database_url, redis_url, master_key, webhook_live_ports="443,8443") as api:
        live = await api.add_key("key_live_shop", "mer_shop", "secret-of-the-shop")

        expect(201, await api.client.post(ENDPOINTS, json={"url": "https://shop.example:8443/"}, headers=live))
        refused = await api.client.post(ENDPOINTS, json={"url": "https://shop.example:81/"}, headers=live)

    assert expect_error(422, "validation_failed", refused) == "In live mode the port must be 443 or 8443."


async def test_an_endpoint_read_by_itself_shows_how_it_fares(api: Api) -> None:
    endpoint_id = (await create_endpoint(api))["id"]
    await write_rows(
        api.database,
        """
        UPDATE webhook_endpoint_health SET consecutive_failures = 3, failing_since = '2026-01-01Z',
            last_attempt_at = '2026-01-02Z', blocked_until = now() - interval '1 second'
        """,
    )

    health = expect(200, await api.client.get(f"{ENDPOINTS}/{endpoint_id}"))["health"]
    assert health == {
        "consecutive_failures": 3,
        "failing_since": "2026-01-01T00:00:00.000Z",
        "last_success_at": None,
        "last_attempt_at": "2026-01-02T00:00:00.000Z",
        "blocked_until": None,
    }

    await write_rows(api.database, "UPDATE webhook_endpoint_health SET blocked_until = now() + interval '1 minute'")
    health = expect(200, await api.client.get(f"{ENDPOINTS}/{endpoint_id}"))["health"]
    assert health["blocked_until"].endswith("Z")
    [listed] = expect(200, await api.client.get(ENDPOINTS))["data"]
    assert "health" not in listed

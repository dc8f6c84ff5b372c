"""Events over HTTP: numbered without a gap, read one by one, and caught up with from any number on."""

import json
from typing import Any, Final

import pytest
from sqlalchemy import text
from tests.support.api import Api, expect, expect_error
from tests.support.processing import Process

from gateway_common.clock import system_clock
from gateway_common.db.database import Database
from gateway_webhook_dispatcher.housekeeping import Housekeeper

EVENTS: Final = "/api/v1/events"
LIFE: Final = ["payment.created", "payment.processing", "payment.success", "payment.captured"]


@pytest.fixture
def housekeeper(database: Database) -> Housekeeper:
    return Housekeeper(database, system_clock)


async def listed(api: Api, **query: Any) -> dict[str, Any]:
    page: dict[str, Any] = expect(200, await api.client.get(EVENTS, params=query))
    return page


async def catch_up(api: Api, last: int = 0, *, limit: int = 2) -> list[dict[str, Any]]:
    """All events behind a number, as a merchant reads them who keeps the last one it has handled."""
    read: list[dict[str, Any]] = []
    while True:
        page = await listed(api, after_sequence=read[-1]["sequence"] if read else last, limit=limit)
        read += page["data"]
        if not page["has_more"]:
            return read


async def test_an_event_is_listed_when_it_has_its_number_and_not_before(api: Api, housekeeper: Housekeeper) -> None:
    payment = await api.create()
    assert await listed(api, after_sequence=0) == {
        "object": "list", "data": [], "has_more": False, "next_cursor": None,
    }  # fmt: skip

    await housekeeper.number_events()

    [event] = (await listed(api, after_sequence=0))["data"]
    assert event.pop("id").startswith("evt_")
    assert event == {
        "object": "event",
        "type": "payment.created",
        "created_at": payment["created_at"],
        "sequence": 1,
        "livemode": False,
        "data": {"payment": payment},
    }


async def test_a_whole_life_is_caught_up_with_in_order_and_each_event_reads_back(
    api: Api, process: Process, housekeeper: Housekeeper
) -> None:
    payment = await api.create(capture_method="automatic")
    await process(payment["id"])
    await housekeeper.number_events()

    events = await catch_up(api)

    assert [event["sequence"] for event in events] == [1, 2, 3, 4]
    assert [event["type"] for event in events] == LIFE
    assert [event["data"]["payment"]["version"] for event in events] == [1, 2, 3, 4]
    assert [event["sequence"] for event in await catch_up(api, 2)] == [3, 4]
    assert await catch_up(api, 4) == await catch_up(api, 2**63 - 1) == []
    for event in events:
        assert expect(200, await api.client.get(f"{EVENTS}/{event['id']}")) == event


async def test_what_is_read_is_what_the_webhook_says(api: Api, housekeeper: Housekeeper) -> None:
    await api.create(metadata={"note": '₹ \\ " \u2028'})
    await housekeeper.number_events()

    [event] = await catch_up(api)

    async with api.database.statement() as connection:
        body = await connection.scalar(text("SELECT body FROM events"))
    sent = json.loads(body)
    assert {name: event[name] for name in sent} == sent


async def test_without_a_number_the_newest_are_listed_first_page_by_page(api: Api, housekeeper: Housekeeper) -> None:
    for _ in range(5):
        await api.create()
    await housekeeper.number_events()

    page = await listed(api, limit=3)
    rest = await listed(api, limit=3, starting_after=page["next_cursor"])

    assert [event["sequence"] for event in page["data"] + rest["data"]] == [5, 4, 3, 2, 1]
    assert (page["has_more"], rest["has_more"], rest["next_cursor"]) == (True, False, None)


async def test_events_are_their_merchants_and_their_modes_own_and_counted_apart(
    api: Api, housekeeper: Housekeeper
) -> None:
    other = await api.add_key("key_test_other", "mer_other", "secret-of-the-other")
    live = await api.add_key("key_live_same", "mer_test", "secret-of-the-live")
    payment = {"amount": 1, "currency": "INR", "method": "wallet", "wallet": "paytm"}
    for _ in range(2):
        await api.create()
        expect(201, await api.client.post("/api/v1/payments", json=payment, headers=other))
    await housekeeper.number_events()
    mine = await catch_up(api)

    theirs = expect(200, await api.client.get(EVENTS, params={"after_sequence": 0}, headers=other))
    of_live = expect(200, await api.client.get(EVENTS, params={"after_sequence": 0}, headers=live))

    assert [event["sequence"] for event in mine] == [event["sequence"] for event in theirs["data"]] == [1, 2]
    assert not {event["id"] for event in mine} & {event["id"] for event in theirs["data"]}
    assert of_live["data"] == []
    for headers in (other, live):
        expect_error(404, "not_found", await api.client.get(f"{EVENTS}/{mine[0]['id']}", headers=headers))


@pytest.mark.parametrize(
    ("query", "param", "message"),
    [
        ("after_sequence=-1", "after_sequence", "after_sequence: must be at least 0."),
        ("after_sequence=x", "after_sequence", "after_sequence: must be a whole number."),
        (
            "after_sequence=0&starting_after=evt_1",
            "after_sequence", "Give after_sequence or starting_after, not both.",
        ),
        ("starting_after=%00", "starting_after", "starting_after: must be the next_cursor of the page before."),
        ("limit=101", "limit", "limit: must be at most 100."),
    ],
)  # fmt: skip
async def test_a_list_asked_for_wrongly_is_explained(api: Api, query: str, param: str, message: str) -> None:
    response = await api.client.get(f"{EVENTS}?{query}")

    assert expect_error(422, "validation_failed", response) == message
    assert response.json()["error"]["param"] == param


async def test_an_unknown_event_is_not_found(api: Api) -> None:
    expect_error(404, "not_found", await api.client.get(f"{EVENTS}/evt_unknown"))

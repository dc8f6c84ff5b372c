"""Paused, disabled and enabled again: nothing is sent meanwhile, and nothing is lost."""

import asyncio
from functools import partial

import orjson
from sqlalchemy import text
from tests.integration.webhook_dispatcher.conftest import StartDispatcher
from tests.support.deliveries import (
    add_endpoint,
    add_events,
    change_status,
    let_pass,
    read_deliveries,
    read_health,
)
from tests.support.dispatchers import Running
from tests.support.receiver import Receiver, answering
from tests.support.waiting import wait_until

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.events.model import EventType
from gateway_common.webhooks.model import EndpointStatus


async def statuses(database: Database, endpoint_id: str) -> set[str]:
    return {row["status"] for row in await read_deliveries(database, endpoint_id)}


async def all_are(database: Database, endpoint_id: str, status: str) -> bool:
    return await statuses(database, endpoint_id) == {status}


async def is_settled(database: Database, running: Running, endpoint_id: str) -> bool:
    await running.dispatcher.settle()
    return not (await read_health(database, endpoint_id))["settling"]


async def change(database: Database, endpoint_id: str, status: EndpointStatus) -> None:
    async with database.transaction() as connection:
        await change_status(connection, endpoint_id, status)


async def read_status(database: Database, endpoint_id: str) -> tuple[str, str | None]:
    async with database.statement() as connection:
        query = "SELECT status, disabled_reason FROM webhook_endpoints WHERE id = :id"
        row = (await connection.execute(text(query), {"id": endpoint_id})).one()
    return row.status, row.disabled_reason


async def set_failures(database: Database, endpoint_id: str, count: int) -> None:
    async with database.statement() as connection:
        statement = text("UPDATE webhook_endpoint_health SET consecutive_failures = :count WHERE endpoint_id = :id")
        await connection.execute(statement, {"count": count, "id": endpoint_id})


async def test_what_waits_and_what_comes_is_held_while_paused_and_sent_when_enabled(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint = await add_endpoint(database, keyring, receiver.url + "/hook")
    await add_events(database, 10)
    await change(database, endpoint.id, EndpointStatus.PAUSED)
    running = dispatcher()
    await running.dispatcher.settle()
    await add_events(database, 10)
    await asyncio.sleep(0.4)

    assert await all_are(database, endpoint.id, "held")
    assert receiver.at("/hook") == []

    await change(database, endpoint.id, EndpointStatus.ENABLED)
    await running.dispatcher.settle()
    await wait_until(partial(all_are, database, endpoint.id, "delivered"))

    assert len({webhook.headers["webhook-id"] for webhook in receiver.at("/hook")}) == 20
    await wait_until(partial(is_settled, database, running, endpoint.id))
    assert (await read_health(database, endpoint.id))["look_at"] is None


async def test_what_is_held_for_long_is_let_go_one_by_one_at_first(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    url = receiver.answer("/hook", answering(200, after_seconds=0.05))
    endpoint = await add_endpoint(database, keyring, url)
    await change(database, endpoint.id, EndpointStatus.PAUSED)
    await add_events(database, 30)
    await change(database, endpoint.id, EndpointStatus.ENABLED)

    running = dispatcher()
    await running.dispatcher.settle()
    await wait_until(partial(all_are, database, endpoint.id, "delivered"))

    first, second, *_ = (webhook.at for webhook in receiver.at("/hook"))
    assert second - first >= 0.05


async def test_an_attempt_on_its_way_when_its_endpoint_is_paused_is_recorded_and_its_retry_held(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    url = receiver.answer("/slow", answering(500, after_seconds=0.4))
    endpoint = await add_endpoint(database, keyring, url)
    await add_events(database)
    running = dispatcher()
    await wait_until(lambda: len(receiver.at("/slow")) == 1)

    await change(database, endpoint.id, EndpointStatus.PAUSED)
    await running.dispatcher.settle()
    assert (await read_health(database, endpoint.id))["settling"], "one is still on its way"

    async def is_held() -> bool:
        await running.dispatcher.settle()
        return await all_are(database, endpoint.id, "held")

    await wait_until(is_held)
    [delivery] = await read_deliveries(database, endpoint.id)
    assert (delivery["attempts"], delivery["last_response_status"]) == (1, 500)


async def test_a_pause_that_is_taken_back_at_once_loses_nothing(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint = await add_endpoint(database, keyring, receiver.url + "/hook")
    running = dispatcher()

    for _ in range(10):
        await add_events(database, 5)
        await change(database, endpoint.id, EndpointStatus.PAUSED)
        await asyncio.gather(running.dispatcher.settle(), add_events(database, 5))
        await change(database, endpoint.id, EndpointStatus.ENABLED)
    await running.dispatcher.settle()

    await wait_until(partial(all_are, database, endpoint.id, "delivered"))
    assert len(await read_deliveries(database, endpoint.id)) == 100


async def test_410_disables_the_endpoint_holds_what_waits_and_says_so_in_an_event(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    gone = await add_endpoint(database, keyring, receiver.answer("/gone", answering(410)))
    await add_endpoint(database, keyring, receiver.url + "/other", event_types=(EventType.WEBHOOK_ENDPOINT_DISABLED,))
    await add_events(database, 3)
    running = dispatcher()

    await wait_until(lambda: len(receiver.at("/other")) == 1)
    await running.dispatcher.settle()

    assert await read_status(database, gone.id) == ("disabled", "gone")
    assert await all_are(database, gone.id, "held")
    event = orjson.loads(receiver.at("/other")[0].body)
    assert event["type"] == "webhook_endpoint.disabled"
    told = event["data"]["webhook_endpoint"]
    assert (told["id"], told["status"], told["disabled_reason"], told["version"]) == (gone.id, "disabled", "gone", 2)
    await add_events(database)
    await asyncio.sleep(0.3)
    assert len(receiver.at("/gone")) == 3


async def test_a_410_from_the_address_before_says_nothing_about_the_one_that_took_its_place(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint = await add_endpoint(database, keyring, receiver.answer("/old", answering(410, after_seconds=0.4)))
    await add_events(database)
    dispatcher(intervals_seconds=(0.1,))
    await wait_until(lambda: len(receiver.at("/old")) == 1)
    async with database.transaction() as connection:
        moved = "UPDATE webhook_endpoints SET url = :url WHERE id = :id"
        await connection.execute(text(moved), {"id": endpoint.id, "url": receiver.url + "/new"})

    await wait_until(partial(all_are, database, endpoint.id, "delivered"))

    assert await read_status(database, endpoint.id) == ("enabled", None)
    assert len(receiver.at("/new")) == 1


async def test_five_days_of_nothing_but_failures_disable_the_endpoint(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint = await add_endpoint(database, keyring, receiver.answer("/dead", answering(500)))
    await add_events(database)
    running = dispatcher()
    await wait_until(lambda: len(receiver.at("/dead")) == 1)
    await asyncio.sleep(0.2)

    await let_pass(database, endpoint.id, seconds=5 * 86_400)
    await running.healths.disable_failing()
    assert await read_status(database, endpoint.id) == ("enabled", None), "five days of silence are no failures"

    await add_events(database)
    await wait_until(lambda: len(receiver.at("/dead")) == 2)
    await asyncio.sleep(0.2)
    await running.healths.disable_failing()
    assert await read_status(database, endpoint.id) == ("enabled", None), "two failures are bad luck"

    await set_failures(database, endpoint.id, 9)
    await let_pass(database, endpoint.id, seconds=600)
    await add_events(database)
    await wait_until(lambda: len(receiver.at("/dead")) == 3)
    await asyncio.sleep(0.2)
    await running.healths.disable_failing()
    await running.dispatcher.settle()

    assert await read_status(database, endpoint.id) == ("disabled", "failing")
    assert await all_are(database, endpoint.id, "held")


async def test_deleting_a_paused_endpoint_cancels_what_it_holds(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint = await add_endpoint(database, keyring, receiver.url + "/hook")
    await change(database, endpoint.id, EndpointStatus.PAUSED)
    await add_events(database, 5)
    running = dispatcher()

    await change(database, endpoint.id, EndpointStatus.DELETED)
    await running.dispatcher.settle()

    assert await all_are(database, endpoint.id, "cancelled")
    await wait_until(partial(is_settled, database, running, endpoint.id))

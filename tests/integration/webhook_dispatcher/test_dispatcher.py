"""How deliveries are shared out: each attempt made once, no endpoint in another's way, dead dispatchers replaced."""

import asyncio
import time
from collections import Counter
from functools import partial

from sqlalchemy import text
from tests.integration.webhook_dispatcher.conftest import StartDispatcher
from tests.support.deliveries import (
    add_endpoint,
    add_events,
    change_status,
    example_event,
    make_due,
    read_attempts,
    read_deliveries,
)
from tests.support.dispatchers import IN_FLIGHT_PER_ENDPOINT, claim_as_one_that_died
from tests.support.receiver import Receiver, answering
from tests.support.waiting import wait_until

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.events.model import EventType
from gateway_common.events.store import insert_events
from gateway_common.webhooks.claim_store import claim_deliveries
from gateway_common.webhooks.model import EndpointStatus
from gateway_common.webhooks.settle_store import settle_endpoints


async def wait_until_all_are(status: str, database: Database, *, endpoint_id: str | None = None) -> None:
    async def all_are() -> bool:
        return {row["status"] for row in await read_deliveries(database, endpoint_id)} == {status}

    await wait_until(all_are)


async def was_attempted(database: Database, endpoint_id: str) -> bool:
    return all(row["attempts"] for row in await read_deliveries(database, endpoint_id))


async def test_two_dispatchers_never_make_the_same_attempt(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    for path in ("/one", "/two", "/three"):
        await add_endpoint(database, keyring, receiver.answer(path, answering(200, after_seconds=0.01)))
    await add_events(database, 200)

    dispatcher(worker_id="wrk_one")
    dispatcher(worker_id="wrk_two")
    await wait_until_all_are("delivered", database)

    for path in ("/one", "/two", "/three"):
        ids = Counter(webhook.headers["webhook-id"] for webhook in receiver.at(path))
        assert len(ids) == 200
        assert set(ids.values()) == {1}
    assert {row["attempts"] for row in await read_deliveries(database)} == {1}


async def test_a_slow_endpoint_with_a_long_queue_holds_up_no_other(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    slow = await add_endpoint(database, keyring, receiver.answer("/slow", answering(200, after_seconds=3)))
    await add_events(database, 500)
    quick = await add_endpoint(database, keyring, receiver.url + "/quick", event_types=(EventType.REFUND_CREATED,))
    dispatcher()
    await wait_until(lambda: bool(receiver.at("/slow")))

    started = time.monotonic()
    await add_events(database, 50, event_type=EventType.REFUND_CREATED)
    await wait_until(lambda: len(receiver.at("/quick")) == 50)

    assert time.monotonic() - started < 2.5
    await wait_until_all_are("delivered", database, endpoint_id=quick.id)
    assert receiver.in_flight_most["/slow"] == IN_FLIGHT_PER_ENDPOINT
    assert {row["status"] for row in await read_deliveries(database, slow.id)} == {"pending"}


async def test_deliveries_of_a_dispatcher_that_fell_silent_are_freed_and_delivered(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    await add_endpoint(database, keyring, receiver.url + "/hook")
    await add_events(database, 20)
    assert await claim_as_one_that_died(database, "wrk_dead") == 20
    running = dispatcher()
    await asyncio.sleep(0.2)
    assert receiver.at("/hook") == []

    await running.dispatcher.free_leases()
    await wait_until_all_are("delivered", database)

    assert len(receiver.at("/hook")) == 20


async def test_a_living_dispatcher_keeps_what_it_holds(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    await add_endpoint(database, keyring, receiver.answer("/slow", answering(200, after_seconds=0.5)))
    await add_events(database, 5)
    one = dispatcher(worker_id="wrk_one")
    await wait_until(lambda: len(receiver.at("/slow")) == 5)
    two = dispatcher(worker_id="wrk_two")
    await asyncio.sleep(0.1)

    for running in (one, two):
        await running.dispatcher.free_leases()
    await wait_until_all_are("delivered", database)

    assert len(receiver.at("/slow")) == 5


async def test_an_outcome_that_comes_after_the_lease_was_lost_is_not_recorded(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    await add_endpoint(database, keyring, receiver.answer("/slow", answering(500, 200, after_seconds=0.3)))
    await add_events(database)
    dispatcher(worker_id="wrk_one")
    await wait_until(lambda: len(receiver.at("/slow")) == 1)

    async with database.statement() as connection:
        await connection.execute(text("UPDATE webhook_deliveries SET worker_id = NULL, leased_at = NULL"))
        [taken] = await claim_deliveries(connection, "wrk_two", most=1, in_flight_most=1)
    await asyncio.sleep(0.6)

    [delivery] = await read_deliveries(database)
    assert (delivery["worker_id"], delivery["claim"], delivery["attempts"]) == ("wrk_two", taken.claim, 0)
    assert await read_attempts(database) == []


async def test_deleting_an_endpoint_cancels_what_waits_for_it_and_what_is_on_its_way(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    url = receiver.answer("/slow", answering(500, after_seconds=0.3))
    endpoint = await add_endpoint(database, keyring, url)
    await add_events(database, 30)
    dispatcher()
    await wait_until(lambda: len(receiver.at("/slow")) == IN_FLIGHT_PER_ENDPOINT)

    async with database.transaction() as connection:
        await change_status(connection, endpoint.id, EndpointStatus.DELETED)
    async with database.statement() as connection:
        assert await settle_endpoints(connection, most=20) == 20
        assert await settle_endpoints(connection, most=20) == 10
    await asyncio.sleep(1)

    deliveries = await read_deliveries(database)
    assert [(row["status"], row["due_at"], row["worker_id"]) for row in deliveries] == [("cancelled", None, None)] * 30
    assert len(receiver.at("/slow")) == IN_FLIGHT_PER_ENDPOINT
    await add_events(database)
    assert len(await read_deliveries(database)) == 30


async def test_an_event_recorded_while_its_endpoint_is_deleted_leaves_nothing_waiting(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint = await add_endpoint(database, keyring, receiver.url + "/hook")

    async def delete() -> None:
        async with database.transaction() as connection:
            await change_status(connection, endpoint.id, EndpointStatus.DELETED)

    async with database.transaction() as recording:
        await insert_events(recording, [example_event()])
        deleting = asyncio.create_task(delete())
        await asyncio.sleep(0.3)
        assert not deleting.done(), "the deletion waits for what is being recorded"
    await deleting
    running = dispatcher()
    await running.dispatcher.settle()

    assert [(row["status"], row["due_at"]) for row in await read_deliveries(database)] in ([], [("cancelled", None)])
    assert receiver.at("/hook") == []


async def test_a_delivery_is_not_attempted_before_it_is_due(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    await add_endpoint(database, keyring, receiver.url + "/hook")
    await add_events(database)
    await make_due(database, in_seconds=1.5)

    started = time.monotonic()
    dispatcher()
    await wait_until(lambda: bool(receiver.at("/hook")))

    assert time.monotonic() - started > 1.3


async def test_one_endpoint_whose_secret_is_unreadable_harms_only_itself(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    broken = await add_endpoint(database, keyring, receiver.url + "/broken")
    fine = await add_endpoint(database, keyring, receiver.url + "/fine")
    async with database.statement() as connection:
        statement = text("UPDATE webhook_endpoints SET sealed_secret = 'nonsense' WHERE id = :id")
        await connection.execute(statement, {"id": broken.id})
    await add_events(database)

    dispatcher()
    await wait_until_all_are("delivered", database, endpoint_id=fine.id)
    await wait_until(partial(was_attempted, database, broken.id))

    [delivery] = await read_deliveries(database, broken.id)
    assert (delivery["status"], delivery["last_error"]) == ("pending", "the endpoint's secret can't be read")
    assert receiver.at("/broken") == []


async def test_an_event_that_meets_a_deletion_under_way_is_not_for_its_endpoint(
    database: Database, keyring: Keyring, receiver: Receiver
) -> None:
    endpoint = await add_endpoint(database, keyring, receiver.url + "/hook")

    async with database.transaction() as deleting:
        await change_status(deleting, endpoint.id, EndpointStatus.DELETED)
        recording = asyncio.create_task(add_events(database))
        await asyncio.sleep(0.3)
        assert not recording.done(), "the event waits for the deletion"
    await recording

    assert await read_deliveries(database) == []

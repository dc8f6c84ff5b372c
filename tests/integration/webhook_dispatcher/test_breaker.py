"""An endpoint that fails all the time is left alone for a while, at the cost of none of its deliveries' attempts."""

import asyncio

from sqlalchemy import text
from tests.integration.webhook_dispatcher.conftest import StartDispatcher
from tests.support.deliveries import add_endpoint, add_events, let_pass, make_due, read_deliveries, read_health
from tests.support.receiver import Receiver, answering
from tests.support.waiting import wait_until

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database

LONG = (600.0, 600.0, 600.0, 600.0)


async def failures_at(database: Database, endpoint_id: str, count: int) -> None:
    async def has_failed() -> bool:
        health = await read_health(database, endpoint_id)
        return bool(health["consecutive_failures"] >= count)

    await wait_until(has_failed)


async def open_breaker(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher, *statuses: int
) -> str:
    """An endpoint with ten failures over more than a minute, and so many answers to come after them; its id."""
    url = receiver.answer("/dead", answering(*[500] * 10, *statuses))
    endpoint = await add_endpoint(database, keyring, url, max_in_flight=8)
    await add_events(database, 9)
    dispatcher(intervals_seconds=LONG)
    await failures_at(database, endpoint.id, 9)
    await let_pass(database, endpoint.id, seconds=61)
    await add_events(database)
    await failures_at(database, endpoint.id, 10)
    return endpoint.id


async def test_ten_failures_over_a_minute_open_it_and_what_comes_then_waits_without_an_attempt(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint_id = await open_breaker(database, keyring, receiver, dispatcher, 500)

    health = await read_health(database, endpoint_id)
    assert (health["allowance"], health["trips"]) == (1, 1)
    assert 25 < health["blocked_for_seconds"] <= 30
    await add_events(database, 5)
    await asyncio.sleep(0.5)

    waiting = [row for row in await read_deliveries(database, endpoint_id) if not row["attempts"]]
    assert [(row["status"], row["attempts"]) for row in waiting] == [("pending", 0)] * 5
    assert len(receiver.at("/dead")) == 10


async def test_ten_failures_at_once_do_not_open_it(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint = await add_endpoint(database, keyring, receiver.answer("/dead", answering(500)))
    await add_events(database, 30)
    dispatcher(intervals_seconds=LONG)
    await failures_at(database, endpoint.id, 30)

    assert (await read_health(database, endpoint.id))["blocked_until"] is None


async def test_one_delivery_is_tried_then_and_if_it_fails_the_pause_doubles(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint_id = await open_breaker(database, keyring, receiver, dispatcher, 500)
    await add_events(database, 5)

    for number, pause in enumerate((60, 120, 240, 300, 300), 1):
        await let_pass(database, endpoint_id, seconds=301)
        await failures_at(database, endpoint_id, 10 + number)
        await asyncio.sleep(0.2)
        assert len(receiver.at("/dead")) == 10 + number
        health = await read_health(database, endpoint_id)
        assert pause - 5 < health["blocked_for_seconds"] <= pause


async def test_an_endpoint_that_answers_again_gets_more_and_more_until_all_is_sent(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint_id = await open_breaker(database, keyring, receiver, dispatcher, 200)
    await add_events(database, 40)
    receiver.in_flight_most["/dead"] = 0
    receiver.answer("/dead", answering(200, after_seconds=0.05))

    await let_pass(database, endpoint_id, seconds=31)
    await wait_until(lambda: len(receiver.at("/dead")) == 50)
    await asyncio.sleep(0.3)

    arrivals = [webhook.at for webhook in receiver.at("/dead")][10:]
    assert arrivals[1] - arrivals[0] >= 0.05, "the first goes alone"
    assert 1 < receiver.in_flight_most["/dead"] <= 8
    health = await read_health(database, endpoint_id)
    assert (health["allowance"], health["blocked_until"], health["consecutive_failures"]) == (None, None, 0)


async def test_others_are_not_held_up_and_claims_do_not_walk_over_what_it_holds_back(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint_id = await open_breaker(database, keyring, receiver, dispatcher, 500)
    fine = await add_endpoint(database, keyring, receiver.url + "/fine")
    await add_events(database, 20)
    running = dispatcher(worker_id="wrk_two", intervals_seconds=LONG)
    await wait_until(lambda: len(receiver.at("/fine")) == 20)

    await running.dispatcher.defer_blocked()

    lanes = {row["lane"] for row in await read_deliveries(database, endpoint_id)}
    assert lanes == {1}
    assert {row["status"] for row in await read_deliveries(database, fine.id)} <= {"pending", "delivered"}
    await let_pass(database, endpoint_id, seconds=31)
    await wait_until(lambda: len(receiver.at("/dead")) == 11)


async def test_a_retry_that_falls_due_while_it_is_open_waits_too(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint_id = await open_breaker(database, keyring, receiver, dispatcher, 200)

    await make_due(database)
    await asyncio.sleep(0.5)
    assert len(receiver.at("/dead")) == 10

    await let_pass(database, endpoint_id, seconds=31)
    await wait_until(lambda: len(receiver.at("/dead")) == 20)


async def test_a_delivery_that_nobody_would_find_is_found(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint = await add_endpoint(database, keyring, receiver.answer("/once", answering(500, 200)))
    await add_events(database)
    running = dispatcher()
    await failures_at(database, endpoint.id, 1)
    async with database.statement() as connection:
        await connection.execute(text("UPDATE webhook_deliveries SET due_at = now() - interval '1 minute'"))
        await connection.execute(text("UPDATE webhook_endpoint_health SET look_at = NULL"))
    await asyncio.sleep(0.4)
    assert len(receiver.at("/once")) == 1

    await running.dispatcher.find_overlooked()

    await wait_until(lambda: len(receiver.at("/once")) == 2)

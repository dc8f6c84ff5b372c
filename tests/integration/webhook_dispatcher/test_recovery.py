"""An endpoint that answers again gets what it had missed, once."""

import asyncio
from functools import partial
from typing import Any

from sqlalchemy import text
from tests.integration.webhook_dispatcher.conftest import StartDispatcher
from tests.support.deliveries import add_endpoint, add_events, change_status, read_deliveries
from tests.support.receiver import Receiver, answering
from tests.support.waiting import wait_until

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.webhooks.model import EndpointStatus

ONE_ATTEMPT: tuple[float, ...] = ()


async def all_are(database: Database, endpoint_id: str, status: str) -> bool:
    return {row["status"] for row in await read_deliveries(database, endpoint_id)} == {status}


async def read_replays(database: Database) -> list[dict[str, Any]]:
    async with database.statement() as connection:
        rows = await connection.execute(text("SELECT * FROM webhook_replays ORDER BY id"))
        return [dict(row) for row in rows.mappings()]


async def test_exhausted_deliveries_are_tried_again_when_the_endpoint_answers_again(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    url = receiver.answer("/hook", answering(*[500] * 20, 200))
    endpoint = await add_endpoint(database, keyring, url)
    await add_events(database, 20)
    running = dispatcher(intervals_seconds=ONE_ATTEMPT)
    await wait_until(partial(all_are, database, endpoint.id, "failed"))
    assert await read_replays(database) == []

    await add_events(database)
    await wait_until(lambda: len(receiver.at("/hook")) == 21)
    await wait_until(partial(_has_replays, database))
    await running.dispatcher.advance_replays()
    await wait_until(partial(all_are, database, endpoint.id, "delivered"))

    [replay] = await read_replays(database)
    assert (replay["source"], replay["status"], replay["total"], replay["queued"]) == ("recovery", "done", 20, 20)
    assert len(receiver.at("/hook")) == 41
    attempts = sorted(row["attempts"] for row in await read_deliveries(database, endpoint.id))
    assert attempts == [1] + [2] * 20


async def test_what_fails_again_is_not_recovered_a_second_time(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    url = receiver.answer("/hook", answering(500, 200, 500, 200))
    endpoint = await add_endpoint(database, keyring, url)
    await add_events(database)
    running = dispatcher(intervals_seconds=ONE_ATTEMPT)
    await wait_until(partial(all_are, database, endpoint.id, "failed"))

    await add_events(database)
    await wait_until(partial(_has_replays, database))
    await running.dispatcher.advance_replays()
    await wait_until(lambda: len(receiver.at("/hook")) == 3)
    await asyncio.sleep(0.2)
    await add_events(database)
    await wait_until(lambda: len(receiver.at("/hook")) == 4)
    await asyncio.sleep(0.3)

    assert len(await read_replays(database)) == 1
    first = (await read_deliveries(database, endpoint.id))[0]
    assert (first["status"], first["attempts"], first["recovered"]) == ("failed", 2, True)


async def test_an_endpoint_that_does_not_want_it_is_left_alone(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    url = receiver.answer("/hook", answering(500, 200))
    endpoint = await add_endpoint(database, keyring, url, auto_recover=False)
    await add_events(database)
    dispatcher(intervals_seconds=ONE_ATTEMPT)
    await wait_until(partial(all_are, database, endpoint.id, "failed"))

    await add_events(database)
    await wait_until(lambda: len(receiver.at("/hook")) == 2)
    await asyncio.sleep(0.3)

    assert await read_replays(database) == []


async def test_a_recovered_delivery_has_the_whole_schedule_again(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    url = receiver.answer("/hook", answering(500, 500, 200, 500, 200))
    endpoint = await add_endpoint(database, keyring, url, event_types=("payment.created", "refund.created"))
    await add_events(database)
    running = dispatcher(intervals_seconds=(0.1,))
    await wait_until(partial(all_are, database, endpoint.id, "failed"))
    await add_events(database)
    await wait_until(partial(_has_replays, database))

    await running.dispatcher.advance_replays()
    await wait_until(partial(all_are, database, endpoint.id, "delivered"))

    first = (await read_deliveries(database, endpoint.id))[0]
    assert (first["attempts"], first["schedule_from"]) == (4, 2)


async def test_an_endpoint_that_was_enabled_again_gets_what_was_exhausted_before(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    url = receiver.answer("/hook", answering(500, 200))
    endpoint = await add_endpoint(database, keyring, url)
    await add_events(database)
    running = dispatcher(intervals_seconds=ONE_ATTEMPT)
    await wait_until(partial(all_are, database, endpoint.id, "failed"))
    for status in (EndpointStatus.PAUSED, EndpointStatus.ENABLED):
        async with database.transaction() as connection:
            await change_status(connection, endpoint.id, status)

    await add_events(database)
    await wait_until(partial(_has_replays, database))
    await running.dispatcher.advance_replays()

    await wait_until(partial(all_are, database, endpoint.id, "delivered"))


async def _has_replays(database: Database) -> bool:
    return bool(await read_replays(database))

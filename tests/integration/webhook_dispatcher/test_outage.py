"""After an outage of the database nobody is taken for dead who has only not been heard."""

import asyncio

import pytest
from tests.integration.webhook_dispatcher.conftest import StartDispatcher
from tests.support.deliveries import add_endpoint, add_events, read_deliveries
from tests.support.dispatchers import claim_as_one_that_died, start_dispatcher
from tests.support.proxy import line_to
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database, DatabaseUnavailableError

SILENT_AFTER_SECONDS = 1.5


async def test_leases_are_freed_only_when_the_others_had_time_to_say_that_they_live(
    database: Database, database_url: str, keyring: Keyring, receiver: Receiver
) -> None:
    await add_endpoint(database, keyring, receiver.url + "/hook")
    await add_events(database, 5)
    await claim_as_one_that_died(database, "wrk_other")
    async with line_to(database_url) as (line, near_url):
        running = start_dispatcher(near_url, keyring, [], silent_after_seconds=SILENT_AFTER_SECONDS)
        await asyncio.sleep(SILENT_AFTER_SECONDS)
        line.cut()
        with pytest.raises(DatabaseUnavailableError):
            await running.dispatcher.free_leases()
        line.mend()

        await running.dispatcher.free_leases()
        assert {row["worker_id"] for row in await read_deliveries(database)} == {"wrk_other"}

        await asyncio.sleep(SILENT_AFTER_SECONDS)
        await running.dispatcher.free_leases()
        await wait_until(lambda: len(receiver.at("/hook")) == 5)
        await running.close()


async def test_who_has_just_started_lets_the_others_speak_first(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    await add_endpoint(database, keyring, receiver.url + "/hook")
    await add_events(database)
    await claim_as_one_that_died(database, "wrk_other")
    running = dispatcher(silent_after_seconds=60)

    await running.dispatcher.free_leases()

    assert [row["worker_id"] for row in await read_deliveries(database)] == ["wrk_other"]

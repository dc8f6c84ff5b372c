"""A replay sends all it was asked for, no faster than the endpoint wants, and says at any time how far it is."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.integration.webhook_dispatcher.conftest import StartDispatcher
from tests.support.deliveries import MERCHANT_ID, add_endpoint, add_events, read_deliveries
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.webhooks.replay import ReplaySource, ReplayStatus, ReplayWhich, WebhookReplay
from gateway_common.webhooks.replay_store import get_replay, insert_replay

EXHAUST = """
UPDATE webhook_deliveries SET
    status = 'failed', attempts = 5, lane = 1, due_at = NULL, last_response_status = 503, last_error = 'answered 503'
WHERE status = 'pending'
"""


async def exhaust(database: Database) -> None:
    """Let what waits have failed at every attempt of its schedule."""
    async with database.statement() as connection:
        await connection.execute(text(EXHAUST))


async def ask_for_replay(database: Database, endpoint_id: str, which: ReplayWhich = ReplayWhich.FAILED) -> str:
    now = system_clock()
    async with database.statement() as connection:
        return await insert_replay(
            connection,
            endpoint_id,
            source=ReplaySource.MERCHANT,
            which=which,
            created_from=now - timedelta(hours=1),
            created_to=now + timedelta(seconds=1),
            now=now,
        )


async def look(database: Database, replay_id: str) -> WebhookReplay:
    async with database.statement() as connection:
        return await get_replay(connection, replay_id, merchant_id=MERCHANT_ID, livemode=False)


@pytest.mark.alone
async def test_two_thousand_are_all_sent_at_the_endpoints_limit_with_progress_visible(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    rate = 400
    endpoint = await add_endpoint(
        database, keyring, receiver.url + "/hook", rate_limit_per_second=rate, max_in_flight=16
    )
    await add_events(database, 2_000)
    await exhaust(database)
    running = dispatcher()

    replay_id = await ask_for_replay(database, endpoint.id)
    asked = await look(database, replay_id)
    await running.dispatcher.advance_replays()
    samples = [await look(database, replay_id)]
    while samples[-1].waiting:
        await asyncio.sleep(0.2)
        samples.append(await look(database, replay_id))

    assert (asked.status, asked.total, asked.queued) == (ReplayStatus.RUNNING, 2_000, 0)
    assert {(sample.total, sample.queued) for sample in samples} == {(2_000, 2_000)}
    waiting = [sample.waiting for sample in samples]
    assert waiting == sorted(waiting, reverse=True)
    assert len(set(waiting)) > 10
    assert samples[-1].status == ReplayStatus.DONE
    came = receiver.at("/hook")
    assert set(Counter(webhook.headers["x-webhook-delivery"] for webhook in came).values()) == {1}
    assert len(came) == 2_000
    assert {(row["status"], row["attempts"]) for row in await read_deliveries(database)} == {("delivered", 6)}
    moments = [webhook.at for webhook in came]
    most = max(sum(first <= moment < first + 1 for moment in moments) for first in moments[::20])
    assert most <= rate + 1 + rate * 0.1 + 16, "a bucket of a tenth of a second, and those that were on their way"
    assert receiver.in_flight_most["/hook"] <= 16


async def test_a_replay_of_all_sends_also_what_was_delivered(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint = await add_endpoint(database, keyring, receiver.url + "/hook")
    await add_events(database, 5)
    running = dispatcher()
    await wait_until(lambda: len(receiver.at("/hook")) == 5)
    await wait_until(lambda: _are_delivered(database))

    replay_id = await ask_for_replay(database, endpoint.id, ReplayWhich.ALL)
    await running.dispatcher.advance_replays()
    await wait_until(lambda: len(receiver.at("/hook")) == 10)

    ids = Counter(webhook.headers["webhook-id"] for webhook in receiver.at("/hook"))
    assert set(ids.values()) == {2}, "the same id both times, so that a receiver can tell"
    assert (await look(database, replay_id)).total == 5


async def test_a_replay_leaves_other_endpoints_and_other_times_alone(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint = await add_endpoint(database, keyring, receiver.url + "/asked")
    await add_endpoint(database, keyring, receiver.url + "/other")
    await add_events(database, 3)
    await exhaust(database)
    running = dispatcher()

    replay_id = await ask_for_replay(database, endpoint.id)
    async with database.statement() as connection:
        earlier = "UPDATE webhook_replays SET last_delivery_id = first_delivery_id, id = :earlier WHERE id = :id"
        await connection.execute(text(earlier), {"id": replay_id, "earlier": "rpl_earlier"})
    await running.dispatcher.advance_replays()
    nothing = await look(database, "rpl_earlier")
    await ask_for_replay(database, endpoint.id)
    await running.dispatcher.advance_replays()
    await wait_until(lambda: len(receiver.at("/asked")) == 3)

    assert (nothing.status, nothing.queued) == (ReplayStatus.DONE, 0)
    assert receiver.at("/other") == []


async def _are_delivered(database: Database) -> bool:
    return {row["status"] for row in await read_deliveries(database)} == {"delivered"}

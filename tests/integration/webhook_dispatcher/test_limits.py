"""An endpoint's own limits hold for all dispatchers together: how many at once, how many a second, how long."""

import asyncio
import time

import pytest
from tests.integration.webhook_dispatcher.conftest import StartDispatcher
from tests.support.deliveries import add_endpoint, add_events, make_due, read_deliveries
from tests.support.receiver import Receiver, answering
from tests.support.waiting import wait_until

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.webhooks.claim_store import claim_deliveries


@pytest.mark.parametrize("cap", [1, 3, 40])
async def test_no_more_are_in_flight_than_the_endpoint_wants(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher, cap: int
) -> None:
    url = receiver.answer("/slow", answering(200, after_seconds=0.05))
    await add_endpoint(database, keyring, url, max_in_flight=cap)
    await add_events(database, cap * 6)

    for number in range(3):
        dispatcher(worker_id=f"wrk_{number}")
    await wait_until(lambda: len(receiver.at("/slow")) == cap * 6)

    assert receiver.in_flight_most["/slow"] == cap


async def test_claims_at_the_same_moment_never_exceed_the_cap_together(database: Database, keyring: Keyring) -> None:
    endpoints = [await add_endpoint(database, keyring, f"https://shop.example/{i}", max_in_flight=2) for i in range(5)]
    await add_events(database, 20)

    async def claim(worker_id: str) -> int:
        claimed = 0
        for _ in range(10):
            async with database.statement() as connection:
                claimed += len(await claim_deliveries(connection, worker_id, most=4, in_flight_most=16))
        return claimed

    claimed = await asyncio.gather(*(claim(f"wrk_{number}") for number in range(4)))

    assert sum(claimed) == 2 * len(endpoints)
    for endpoint in endpoints:
        held = [row for row in await read_deliveries(database, endpoint.id) if row["worker_id"]]
        assert len(held) == 2


@pytest.mark.alone
async def test_no_more_are_sent_in_a_second_than_the_endpoint_wants_and_no_fewer(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    rate = 20
    await add_endpoint(database, keyring, receiver.url + "/limited", rate_limit_per_second=rate)
    await add_endpoint(database, keyring, receiver.url + "/free")
    await add_events(database, 80)

    for number in range(2):
        dispatcher(worker_id=f"wrk_{number}")
    started = time.monotonic()
    await wait_until(lambda: len(receiver.at("/free")) == 80)
    free_seconds = time.monotonic() - started
    await wait_until(lambda: len(receiver.at("/limited")) == 80, seconds=10)

    moments = [webhook.at for webhook in receiver.at("/limited")]
    for first in moments:
        within = sum(first <= moment < first + 1 for moment in moments)
        assert within <= rate + 1 + rate * 0.1 + 1, "a bucket of a tenth of a second, and one that was on its way"
    assert 3 < moments[-1] - moments[0] < 5
    assert free_seconds < 3


async def test_a_rate_holds_for_retries_as_for_first_attempts(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    url = receiver.answer("/limited", answering(*[500] * 10, 200))
    await add_endpoint(database, keyring, url, rate_limit_per_second=10)
    await add_events(database, 10)
    dispatcher()
    await wait_until(lambda: len(receiver.at("/limited")) == 10)
    await asyncio.sleep(0.3)

    await make_due(database)
    await wait_until(lambda: len(receiver.at("/limited")) == 20)

    moments = [webhook.at for webhook in receiver.at("/limited")][10:]
    assert moments[-1] - moments[0] > 0.6


async def test_an_endpoint_may_ask_for_less_time_than_the_gateway_gives(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    url = receiver.answer("/slow", answering(200, after_seconds=6))
    endpoint = await add_endpoint(database, keyring, url, timeout_seconds=5)
    await add_events(database)
    dispatcher(timeout_seconds=10)

    async def was_attempted() -> bool:
        [delivery] = await read_deliveries(database, endpoint.id)
        return bool(delivery["attempts"])

    await wait_until(was_attempted, seconds=10)

    [delivery] = await read_deliveries(database, endpoint.id)
    assert (delivery["status"], delivery["last_error"]) == (
        "pending",
        "no complete answer within 5 s: no response came",
    )


async def test_first_attempts_go_before_retries(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    url = receiver.answer("/slow", answering(*[500] * 20, 200, after_seconds=0.02))
    endpoint = await add_endpoint(database, keyring, url, max_in_flight=1)
    await add_events(database, 20)
    first = dispatcher(worker_id="wrk_one")
    await wait_until(lambda: len(receiver.at("/slow")) == 20)
    await asyncio.sleep(0.2)
    await first.close()
    await add_events(database, 20)
    await make_due(database)

    dispatcher(worker_id="wrk_two")
    await wait_until(lambda: len(receiver.at("/slow")) == 60, seconds=10)

    attempts = [webhook.headers["x-webhook-attempt"] for webhook in receiver.at("/slow")[20:]]
    assert attempts == ["1"] * 20 + ["2"] * 20
    assert {row["status"] for row in await read_deliveries(database, endpoint.id)} <= {"delivered", "pending"}

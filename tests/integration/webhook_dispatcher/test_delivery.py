"""One delivery through all of its attempts, on a clock of the test's own: schedule, same bytes, end of patience."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError
from tests.integration.webhook_dispatcher.conftest import StartDispatcher
from tests.support.deliveries import add_endpoint, add_events, make_due, read_attempts, read_deliveries
from tests.support.receiver import Receiver, answering

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.webhooks.schedule import DEFAULT_INTERVALS_SECONDS, TEST_INTERVALS_SECONDS

NOT_YET_SECONDS = 0.8
"""Longer than a dispatcher's longest pause between two looks."""


class FakeClock:
    """Business time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


async def wait_for_attempts(database: Database, count: int) -> dict[str, Any]:
    """The only delivery, once so many attempts of it are recorded."""
    async with asyncio.timeout(10):
        while True:
            [delivery] = await read_deliveries(database)
            if delivery["attempts"] == count:
                return delivery
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [(DEFAULT_INTERVALS_SECONDS, (60, 300, 1800, 7200)), (TEST_INTERVALS_SECONDS, (5, 5, 5, 5))],
    ids=["the default schedule", "the schedule for tests"],
)
async def test_five_attempts_on_schedule_then_the_delivery_is_failed_and_kept(
    database: Database,
    keyring: Keyring,
    receiver: Receiver,
    dispatcher: StartDispatcher,
    *,
    intervals: tuple[float, ...],
    expected: tuple[int, ...],
) -> None:
    clock = FakeClock()
    endpoint = await add_endpoint(database, keyring, receiver.answer("/dead", answering(500, body=b"no")))
    await add_events(database)
    dispatcher(intervals_seconds=intervals, clock=clock)

    started_at = []
    for number, interval in enumerate(expected, 1):
        delivery = await wait_for_attempts(database, number)
        started_at.append(clock.now)
        assert interval <= delivery["due_in_seconds"] <= interval * 1.1
        assert (delivery["status"], delivery["worker_id"]) == ("pending", None)
        clock.now += timedelta(seconds=delivery["due_in_seconds"])
        await make_due(database)
    last = await wait_for_attempts(database, 5)
    started_at.append(clock.now)

    assert (last["status"], last["due_at"], last["last_response_status"]) == ("failed", None, 500)
    attempts = await read_attempts(database)
    assert [attempt["number"] for attempt in attempts] == [1, 2, 3, 4, 5]
    assert [attempt["started_at"] for attempt in attempts] == started_at
    assert {(attempt["response_status"], bytes(attempt["response_body"])) for attempt in attempts} == {(500, b"no")}
    webhooks = receiver.at("/dead")
    assert [webhook.headers["x-webhook-attempt"] for webhook in webhooks] == ["1", "2", "3", "4", "5"]
    assert [int(webhook.headers["webhook-timestamp"]) for webhook in webhooks] == [
        int(moment.timestamp()) for moment in started_at
    ]
    assert len({webhook.body for webhook in webhooks}) == 1
    assert {webhook.headers["webhook-id"] for webhook in webhooks} == {last["event_id"]}
    assert len({webhook.headers["x-webhook-signature"] for webhook in webhooks}) == 1
    await asyncio.sleep(NOT_YET_SECONDS)
    assert len(receiver.at("/dead")) == 5
    assert [row["id"] for row in await read_deliveries(database, endpoint.id)] == [last["id"]]


async def test_a_retry_waits_to_the_second_it_is_due(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    await add_endpoint(database, keyring, receiver.answer("/shaky", answering(500, 200)))
    await add_events(database)
    dispatcher(intervals_seconds=(2.0,))

    delivery = await wait_for_attempts(database, 2)

    first, second = receiver.at("/shaky")
    assert 2.0 <= second.at - first.at < 2.2 + NOT_YET_SECONDS + 1
    assert (delivery["status"], delivery["last_response_status"], delivery["last_error"]) == ("delivered", 200, None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 400, 404, 500, 503])
async def test_whatever_is_not_2xx_is_a_failure(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher, status: int
) -> None:
    answer = answering(status, headers=f"Location: {receiver.url}/elsewhere\r\n")
    await add_endpoint(database, keyring, receiver.answer("/hook", answer))
    await add_events(database)
    dispatcher()

    delivery = await wait_for_attempts(database, 1)

    assert (delivery["status"], delivery["last_response_status"]) == ("pending", status)
    assert f"answered {status}" in delivery["last_error"]
    assert receiver.at("/elsewhere") == []


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_a_success(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher, status: int
) -> None:
    await add_endpoint(database, keyring, receiver.answer("/hook", answering(status, body=b"")))
    await add_events(database)
    dispatcher()

    delivery = await wait_for_attempts(database, 1)

    assert (delivery["status"], delivery["last_response_status"], delivery["due_at"]) == ("delivered", status, None)


async def test_a_receiver_that_asks_for_more_time_gets_it(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    await add_endpoint(database, keyring, receiver.answer("/busy", answering(503, headers="Retry-After: 120\r\n")))
    await add_events(database)
    dispatcher()

    delivery = await wait_for_attempts(database, 1)

    assert 120 <= delivery["due_in_seconds"] <= 132


async def test_the_standard_webhooks_library_accepts_what_is_sent_and_nothing_else(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    endpoint = await add_endpoint(database, keyring, receiver.url + "/hook")
    await add_events(database)
    dispatcher()
    await wait_for_attempts(database, 1)
    [webhook] = receiver.at("/hook")

    verified = Webhook(endpoint.secret).verify(webhook.body, webhook.headers)

    assert verified["id"] == webhook.headers["webhook-id"]
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint.secret).verify(webhook.body + b" ", webhook.headers)

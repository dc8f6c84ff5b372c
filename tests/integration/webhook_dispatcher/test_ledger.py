"""What there was to be delivered and what became of it, as metrics: the one is always the sum of the others."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from tests.integration.webhook_dispatcher.conftest import StartDispatcher
from tests.support.deliveries import add_endpoint, add_events, change_status, read_deliveries
from tests.support.receiver import Receiver, answering
from tests.support.records import write_rows
from tests.support.waiting import wait_until

from gateway_common.clock import Clock, system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.telemetry import DELIVERIES, DELIVERIES_EXPECTED, DELIVERIES_STOPPED
from gateway_common.webhooks.model import EndpointStatus
from gateway_common.webhooks.settle_store import settle_endpoints
from gateway_common.workers.store import renew_worker
from gateway_webhook_dispatcher.ledger import LedgerKeeper

STATUSES = ("delivered", "pending", "held", "exhausted", "cancelled")


def keeper(database: Database, worker_id: str = "wrk_1", *, clock: Clock = system_clock) -> LedgerKeeper:
    return LedgerKeeper(database, worker_id=worker_id, service="webhook-dispatcher", clock=clock)


def created() -> float | None:
    return REGISTRY.get_sample_value("gateway_webhook_deliveries_expected", {"window": "1h"})


def exported() -> dict[str, float | None]:
    return {
        status: REGISTRY.get_sample_value("gateway_webhook_deliveries", {"status": status, "window": "1h"})
        for status in STATUSES
    }


def stopped(status: str) -> float | None:
    return REGISTRY.get_sample_value("gateway_webhook_deliveries_stopped", {"status": status})


@pytest.fixture(autouse=True)
async def oldest(database: Database) -> AsyncIterator[None]:
    """`wrk_1` is the dispatcher that started first. What it exports for one test is nothing to the next."""
    async with database.statement() as connection:
        await renew_worker(connection, "wrk_1", "webhook-dispatcher")
    yield
    for gauge in (DELIVERIES, DELIVERIES_EXPECTED, DELIVERIES_STOPPED):
        gauge.clear()


async def test_each_delivery_is_counted_in_its_status_and_their_sum_is_what_was_created(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    await add_endpoint(database, keyring, receiver.answer("/good", answering(200)))
    await add_endpoint(database, keyring, receiver.answer("/bad", answering(500)))
    paused, deleted = [await add_endpoint(database, keyring, "https://shop.example") for _ in range(2)]
    async with database.transaction() as connection:
        await change_status(connection, paused.id, EndpointStatus.PAUSED)
    await add_events(database, 3)
    async with database.transaction() as connection:
        await change_status(connection, deleted.id, EndpointStatus.DELETED)
    async with database.statement() as connection:
        await settle_endpoints(connection)
    running = dispatcher(intervals_seconds=[])

    async def is_over() -> bool:
        return {row["status"] for row in await read_deliveries(database)} == {
            "delivered", "failed", "held", "cancelled",
        }  # fmt: skip

    await wait_until(is_over)
    await running.close()
    await keeper(database).count()

    assert exported() == {"delivered": 3, "pending": 0, "held": 3, "exhausted": 3, "cancelled": 3}
    assert created() == 12
    assert (stopped("held"), stopped("exhausted")) == (3, 3)


async def test_the_sum_holds_at_every_moment_while_events_come_and_deliveries_end(
    database: Database, keyring: Keyring, receiver: Receiver, dispatcher: StartDispatcher
) -> None:
    for path in ("/one", "/two", "/three"):
        await add_endpoint(database, keyring, receiver.answer(path, answering(200)))
    dispatcher()
    samples = []

    async def produce() -> None:
        for _ in range(60):
            await add_events(database, 5)

    producing = asyncio.create_task(produce())
    while not producing.done():
        await keeper(database).count()
        samples.append((created(), sum(value or 0 for value in exported().values())))
    await producing

    assert [first for first, _ in samples] == [second for _, second in samples]
    assert len({first for first, _ in samples}) > 5


async def test_one_that_got_lost_is_a_difference(database: Database, owner: Database, keyring: Keyring) -> None:
    await add_endpoint(database, keyring, "https://shop.example")
    await add_events(database, 4)
    lost = "DELETE FROM webhook_deliveries WHERE id = (SELECT min(id) FROM webhook_deliveries)"
    await write_rows(owner, lost)

    await keeper(database).count()

    assert (created(), exported()["pending"]) == (4, 3)


async def test_only_the_last_hours_events_are_in_it(database: Database, keyring: Keyring) -> None:
    await add_endpoint(database, keyring, "https://shop.example")
    await add_events(database, 2)

    await keeper(database, clock=lambda: system_clock() + timedelta(minutes=61)).count()
    assert (created(), exported()["pending"]) == (0, 0)
    await keeper(database, clock=lambda: system_clock() + timedelta(minutes=59)).count()
    assert (created(), exported()["pending"]) == (2, 2)


async def test_only_the_dispatcher_that_started_first_counts_and_another_tells_nothing_old(database: Database) -> None:
    await keeper(database).count()
    assert created() == 0
    async with database.statement() as connection:
        await renew_worker(connection, "wrk_0", "webhook-dispatcher")

    await keeper(database).count()

    assert created() is None
    assert set(exported().values()) == {None}


async def test_both_formats_of_prometheus_take_the_names(database: Database) -> None:
    await keeper(database).count()

    plain = {family.name for family in parse_text(generate_latest().decode())}
    exposition = generate_openmetrics(REGISTRY)  # type: ignore[no-untyped-call]
    modern = {family.name for family in parse_openmetrics(exposition.decode())}  # type: ignore[no-untyped-call]

    names = {"gateway_webhook_deliveries", "gateway_webhook_deliveries_expected", "gateway_webhook_deliveries_stopped"}
    assert names <= plain
    assert names <= modern

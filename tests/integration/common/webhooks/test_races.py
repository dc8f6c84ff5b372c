"""Two who change the same endpoint or delivery at once: each order of events in which one could undo the other."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from tests.support.deliveries import (
    MERCHANT_ID,
    add_endpoint,
    add_events,
    change_status,
    example_event,
    read_attempts,
    read_deliveries,
)
from tests.support.interruptions import interrupted
from tests.support.records import read_rows, write_rows

from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.events.model import Event, EventType, new_event
from gateway_common.events.store import insert_events
from gateway_common.webhooks.claim_store import claim_deliveries
from gateway_common.webhooks.health import after_failure, after_success
from gateway_common.webhooks.health_store import lock_healths, save_healths
from gateway_common.webhooks.lease_store import find_overlooked_endpoints, free_delivery_leases
from gateway_common.webhooks.model import ClaimedDelivery, EndpointStatus
from gateway_common.webhooks.outcome import AttemptResult, DeliveryOutcome, FailureReason, decide_outcome
from gateway_common.webhooks.outcome_store import record_outcomes
from gateway_common.webhooks.replay import ReplaySource, ReplayWhich
from gateway_common.webhooks.replay_store import advance_replays, insert_replay
from gateway_common.webhooks.settle_store import settle_endpoints

URL = "https://shop.example/hook"


async def claim(database: Database, worker_id: str = "wrk_one") -> list[ClaimedDelivery]:
    async with database.statement() as connection:
        return await claim_deliveries(connection, worker_id, most=100, in_flight_most=100)


def outcome(
    delivery: ClaimedDelivery, *, status: int = 503, intervals: tuple[float, ...] = (0.001,)
) -> DeliveryOutcome:
    reason = None if status == 200 else FailureReason.STATUS
    result = AttemptResult(started_at=system_clock(), duration_ms=1, response_status=status, reason=reason)
    return decide_outcome(delivery, result, intervals=intervals, chance=0)


async def record(database: Database, *outcomes: DeliveryOutcome) -> list[bool]:
    async with database.statement() as connection:
        return await record_outcomes(connection, outcomes)


async def set_status(database: Database, endpoint_id: str, status: EndpointStatus) -> None:
    async with database.transaction() as connection:
        await change_status(connection, endpoint_id, status)


async def settle(database: Database) -> None:
    async with database.statement() as connection:
        while await settle_endpoints(connection):
            continue
        await settle_endpoints(connection)


async def statuses(database: Database) -> list[str]:
    return [row["status"] for row in await read_deliveries(database)]


async def count_deadlocks(database: Database) -> int:
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    [row] = await read_rows(database, query)
    return int(row["deadlocks"])


async def test_an_endpoint_enabled_again_while_its_deliveries_are_being_held_gets_them_all(
    database: Database, keyring: Keyring
) -> None:
    endpoint = await add_endpoint(database, keyring, URL)
    await add_events(database, 3)
    await set_status(database, endpoint.id, EndpointStatus.PAUSED)

    async def enable() -> None:
        await set_status(database, endpoint.id, EndpointStatus.ENABLED)
        await settle(database)

    async with database.statement() as connection:
        await settle_endpoints(interrupted(connection, enable, before=2))
    await settle(database)

    assert await statuses(database) == ["pending"] * 3
    assert len(await claim(database)) == 1


async def test_an_endpoint_paused_again_while_its_deliveries_are_being_let_go_gets_none(
    database: Database, keyring: Keyring
) -> None:
    endpoint = await add_endpoint(database, keyring, URL)
    await set_status(database, endpoint.id, EndpointStatus.PAUSED)
    await add_events(database, 3)
    await settle(database)
    await set_status(database, endpoint.id, EndpointStatus.ENABLED)

    async def pause() -> None:
        await set_status(database, endpoint.id, EndpointStatus.PAUSED)
        await settle(database)

    async with database.statement() as connection:
        await settle_endpoints(interrupted(connection, pause, before=2))
    await settle(database)

    assert await statuses(database) == ["held"] * 3
    assert await claim(database) == []


async def test_an_endpoint_can_be_paused_while_a_replay_queues_its_deliveries(
    database: Database, keyring: Keyring
) -> None:
    endpoint = await add_endpoint(database, keyring, URL)
    await add_events(database, 3)
    await record(database, *[outcome(each, intervals=()) for each in await claim(database)])
    async with database.statement() as connection:
        await insert_replay(
            connection,
            endpoint.id,
            source=ReplaySource.MERCHANT,
            which=ReplayWhich.FAILED,
            created_from=system_clock() - timedelta(hours=1),
            created_to=system_clock() + timedelta(seconds=1),
            now=system_clock(),
        )

    async def advance() -> None:
        async with database.statement() as connection:
            await advance_replays(connection)

    async with database.transaction() as connection:
        # As lock_endpoint does it: the health first, and a moment later the endpoint.
        await lock_healths(connection, [endpoint.id])
        advancing = asyncio.create_task(advance())
        await asyncio.sleep(0.3)
        await change_status(connection, endpoint.id, EndpointStatus.PAUSED)
    await advancing
    await settle(database)

    assert await count_deadlocks(database) == 0
    assert await statuses(database) == ["held"] * 3
    await set_status(database, endpoint.id, EndpointStatus.ENABLED)
    await settle(database)
    assert await statuses(database) == ["pending"] * 3


async def test_the_outcome_of_a_lost_lease_is_not_recorded_beside_that_of_the_present_one(
    database: Database, keyring: Keyring
) -> None:
    await add_endpoint(database, keyring, URL)
    await add_events(database)
    [lost] = await claim(database)
    async with database.statement() as connection:
        await free_delivery_leases(connection, lease_limit_seconds=60)
    [present] = await claim(database)

    recorded = await record(database, outcome(lost), outcome(present, status=200))

    assert recorded == [False, True]
    assert await statuses(database) == ["delivered"]
    assert [row["response_status"] for row in await read_attempts(database)] == [200]


async def test_an_outcome_that_was_recorded_although_no_answer_said_so_is_not_recorded_again(
    database: Database, keyring: Keyring
) -> None:
    await add_endpoint(database, keyring, URL)
    await add_events(database)
    [delivery] = await claim(database)
    failed = outcome(delivery, intervals=(60.0,))

    await record(database, failed)
    [before] = await read_deliveries(database)
    await record(database, failed)

    assert await read_deliveries(database) == [before]
    assert len(await read_attempts(database)) == 1


async def test_a_success_that_ends_a_pause_lets_go_what_waited_for_it(database: Database, keyring: Keyring) -> None:
    endpoint = await add_endpoint(database, keyring, URL)
    await add_events(database, 2)
    slow, other = await claim(database)
    await record(database, outcome(other))
    async with database.transaction() as connection:
        now, healths = await lock_healths(connection, [endpoint.id])
        health = replace(healths[endpoint.id], consecutive_failures=9, failing_since=now - timedelta(minutes=2))
        await save_healths(connection, [after_failure(health, now=now)])
    await asyncio.sleep(0.01)
    assert await claim(database) == []

    await record(database, outcome(slow, status=200))
    async with database.transaction() as connection:
        now, healths = await lock_healths(connection, [endpoint.id])
        await save_healths(connection, [after_success(healths[endpoint.id], now=now, in_flight_most=16)])

    assert [each.id for each in await claim(database)] == [other.id]


async def test_an_endpoint_enabled_before_its_deliveries_were_held_gets_what_waited_for_its_breaker(
    database: Database, keyring: Keyring
) -> None:
    endpoint = await add_endpoint(database, keyring, URL)
    await add_events(database)
    [delivery] = await claim(database)
    await record(database, outcome(delivery))
    await write_rows(database, "UPDATE webhook_endpoint_health SET blocked_until = now() + interval '5 minutes'")
    await asyncio.sleep(0.01)
    assert await claim(database) == []

    await set_status(database, endpoint.id, EndpointStatus.PAUSED)
    await set_status(database, endpoint.id, EndpointStatus.ENABLED)

    assert [each.id for each in await claim(database)] == [delivery.id]


def disabled_event() -> Event:
    snapshot = {"object": "webhook_endpoint", "id": "we_example", "livemode": False}
    return new_event(
        EventType.WEBHOOK_ENDPOINT_DISABLED, snapshot, merchant_id=MERCHANT_ID, now=system_clock(), traceparent=None
    )


async def test_two_endpoints_of_a_merchant_are_disabled_at_once_and_each_is_told_of(
    database: Database, keyring: Keyring
) -> None:
    endpoints = [await add_endpoint(database, keyring, URL) for _ in range(2)]
    at_once = asyncio.Barrier(2)

    async def pause(endpoint_id: str) -> None:
        async with database.transaction() as connection:
            await change_status(connection, endpoint_id, EndpointStatus.PAUSED)
            # Whoever comes second may have to wait for the first.
            try:
                async with asyncio.timeout(0.3):
                    await at_once.wait()
            except (TimeoutError, asyncio.BrokenBarrierError):
                pass
            await insert_events(connection, [disabled_event()])

    await asyncio.gather(*(pause(endpoint.id) for endpoint in endpoints))

    assert await count_deadlocks(database) == 0
    assert len(await read_deliveries(database)) == 4


async def test_nothing_is_overlooked_where_nothing_went_wrong(database: Database, keyring: Keyring) -> None:
    await add_endpoint(database, keyring, URL)
    await add_events(database, 2, event_type=EventType.REFUND_CREATED)
    async with database.statement() as connection:
        await insert_events(connection, [example_event()])
        assert await find_overlooked_endpoints(connection) == []

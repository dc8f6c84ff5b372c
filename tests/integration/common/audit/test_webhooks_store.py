"""The audit's questions about webhooks raise no false alarm: what retention dropped, and what is out of turn."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from tests.support.deliveries import add_endpoint, add_events, change_status
from tests.support.history import corrupt, write_history
from tests.support.records import write_rows

from gateway_cli.retention_job import Keeper
from gateway_common.audit.store import audit
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.retention.model import KeptDays
from gateway_common.webhooks.model import EndpointStatus
from gateway_common.webhooks.settle_store import settle_endpoints

OVERDUE = """
UPDATE webhook_deliveries SET lane = 1, due_at = now() - interval '2 minutes' WHERE id = '{delivery}';
UPDATE webhook_endpoint_health SET look_at = now() + interval '5 minutes';
"""


async def broken(database: Database) -> set[tuple[str, str]]:
    async with database.snapshot(timeout_seconds=30) as connection:
        report = await audit(connection, since=None, lease_limit_seconds=35)
    return {(finding.check, finding.subject) for result in report.broken for finding in result.findings}


async def test_what_retention_dropped_is_not_missed_but_what_is_younger_is(
    database: Database, owner: Database, owner_url: str
) -> None:
    history = write_history(owner_url, datetime.now(UTC) - timedelta(days=200))
    await write_rows(owner, "UPDATE webhook_deliveries SET updated_at = created_at - interval '200 days'")
    assert await broken(database) == set()

    _, report = await Keeper(owner, KeptDays()).run()
    assert (report.attempts_deleted, report.deliveries_deleted) == (1, 1)
    assert await broken(database) == set()

    await write_rows(owner, "UPDATE retention_marks SET kept_from = now() - interval '1 year'")
    assert await broken(database) == {("deliveries_missing", history.event_id(2))}


async def test_an_old_attempt_of_a_delivery_that_is_still_there_is_not_missed(
    database: Database, owner: Database, owner_url: str
) -> None:
    write_history(owner_url, datetime.now(UTC) - timedelta(days=150))
    await write_rows(owner, "UPDATE webhook_deliveries SET updated_at = created_at - interval '150 days'")

    _, report = await Keeper(owner, KeptDays()).run()

    assert (report.attempts_deleted, report.deliveries_deleted) == (1, 0)
    assert await broken(database) == set()


async def test_retention_waits_for_an_audit_that_has_begun(database: Database, owner: Database) -> None:
    """What a partition held is gone for all, also for who reads an earlier moment."""
    async with database.snapshot(timeout_seconds=30) as connection:
        await audit(connection, since=datetime.now(UTC), lease_limit_seconds=35)
        dropping = asyncio.create_task(write_rows(owner, "DROP TABLE webhook_attempts_other"))
        await asyncio.sleep(0.5)
        assert not dropping.done()
        await connection.execute(text("SELECT count(*) FROM webhook_attempts"))
    await dropping


@pytest.mark.parametrize(
    "reason",
    [
        "UPDATE webhook_endpoints SET status = 'paused'",
        "UPDATE webhook_endpoint_health SET blocked_until = now() + interval '5 minutes'",
        "UPDATE webhook_endpoint_health SET last_attempt_at = now() - interval '30 seconds'",
        "UPDATE webhook_endpoint_health SET look_at = now()",
        "UPDATE webhook_deliveries SET worker_id = 'wrk_live', leased_at = now() WHERE due_at IS NOT NULL",
    ],
)
async def test_a_delivery_that_waits_for_a_reason_is_not_overlooked(
    database: Database, owner_url: str, reason: str
) -> None:
    history = write_history(owner_url)
    corrupt(owner_url, history, OVERDUE)
    assert await broken(database) == {("delivery_overlooked", history["delivery"])}

    corrupt(owner_url, history, reason)
    assert await broken(database) == set()


async def test_pausing_resuming_and_deleting_break_nothing_at_any_step(
    database: Database, owner: Database, keyring: Keyring
) -> None:
    endpoint = await add_endpoint(database, keyring, "https://shop.example")
    await add_events(database, 20)
    for status in (EndpointStatus.PAUSED, EndpointStatus.ENABLED, EndpointStatus.PAUSED, EndpointStatus.DELETED):
        async with database.transaction() as connection:
            await change_status(connection, endpoint.id, status)
        assert await broken(database) == set()
        await add_events(database, 5)
        async with database.statement() as connection:
            while await settle_endpoints(connection, most=7):
                assert await broken(database) == set()
    assert await broken(database) == set()
    assert await write_rows(owner, "UPDATE webhook_deliveries SET status = status") == 35

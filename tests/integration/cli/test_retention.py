"""Retention on a real database: months made ahead, attempts moved into theirs, old ones gone, and nothing else."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from tests.integration.cli.conftest import Command
from tests.support.deliveries import add_endpoint, add_events
from tests.support.records import read_rows, write_rows

from gateway_cli.failure import Failure, UsageFailure
from gateway_cli.retention import read_kept_days
from gateway_cli.retention_job import Keeper
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.ids import WEBHOOK_REPLAY, first_id
from gateway_common.retention.model import KeptDays, Month, month_of
from gateway_common.webhooks.replay import ReplaySource, ReplayWhich
from gateway_common.webhooks.replay_store import insert_replay

Start = Callable[..., Command]
NOW = datetime.now(UTC)
THIS_MONTH = month_of(NOW)
PARTITIONS = """
SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'webhook_attempts'::regclass ORDER BY name
"""
ATTEMPT = """
INSERT INTO webhook_attempts (delivery_id, number, started_at, duration_ms, response_status, response_body)
SELECT 'dlv_' || n, :number, CAST(:started_at AS timestamptz) + n * interval '1 ms', 5, 200, repeat('x', 200)::bytea
FROM generate_series(1, :count) AS n
"""


async def partitions(database: Database) -> list[str]:
    return [row["name"] for row in await read_rows(database, PARTITIONS)]


async def add_attempts(database: Database, started_at: datetime, count: int = 1, *, number: int = 1) -> None:
    await write_rows(database, ATTEMPT, started_at=started_at, count=count, number=number)


async def attempts_by_table(database: Database) -> dict[str, int]:
    rows = await read_rows(
        database, "SELECT tableoid::regclass::text AS name, count(*) FROM webhook_attempts GROUP BY 1"
    )
    return {row["name"]: row["count"] for row in rows}


async def forget_months(owner: Database, *months: Month) -> None:
    """As if retention had never made them."""
    for month in months:
        await write_rows(owner, f"DROP TABLE {month.partition}")


def keeper(owner: Database, **values: Any) -> Keeper:
    return Keeper(owner, KeptDays(), **values)


async def test_on_a_new_database_there_is_nothing_to_do(owner: Database) -> None:
    before = await partitions(owner)
    _, report = await keeper(owner).run()

    assert (report.made, report.dropped, report.attempts_moved, report.deliveries_deleted) == ([], [], 0, 0)
    assert await partitions(owner) == before


async def test_missing_months_are_made_ahead(owner: Database) -> None:
    before = await partitions(owner)
    await forget_months(owner, THIS_MONTH.later(11), THIS_MONTH.later(12))

    _, report = await keeper(owner).run()

    assert report.made == [THIS_MONTH.later(11), THIS_MONTH.later(12)]
    assert await partitions(owner) == before
    await add_attempts(owner, THIS_MONTH.later(12).first_moment)
    assert await attempts_by_table(owner) == {THIS_MONTH.later(12).partition: 1}
    indexes = await read_rows(owner, "SELECT indexname FROM pg_indexes WHERE indexname LIKE '%coming%'")
    checks = await read_rows(owner, "SELECT conname FROM pg_constraint WHERE conname = 'coming'")
    assert (indexes, checks) == ([], [])


async def test_attempts_that_found_no_month_are_moved_into_theirs(owner: Database, database: Database) -> None:
    last = THIS_MONTH.later(-1)
    await forget_months(owner, THIS_MONTH)
    await add_attempts(database, last.first_moment, 30)
    await add_attempts(database, THIS_MONTH.first_moment, 70)
    await add_attempts(database, THIS_MONTH.later(40).first_moment)
    assert set(await attempts_by_table(database)) == {"webhook_attempts_other"}
    before = await read_rows(database, "SELECT * FROM webhook_attempts ORDER BY delivery_id, number, started_at")

    _, report = await keeper(owner, batch=20).run()

    assert report.attempts_moved == 100
    assert await attempts_by_table(database) == {
        last.partition: 30,
        THIS_MONTH.partition: 70,
        "webhook_attempts_other": 1,
    }
    assert (
        await read_rows(database, "SELECT * FROM webhook_attempts ORDER BY delivery_id, number, started_at") == before
    )


async def test_old_months_go_and_so_do_old_attempts_that_have_none(owner: Database, database: Database) -> None:
    long_ago = THIS_MONTH.later(-7)
    await add_attempts(database, long_ago.first_moment, 25)
    await Keeper(owner, KeptDays(attempts=3_000, deliveries=3_000)).run()
    await add_attempts(database, THIS_MONTH.later(-9).first_moment, 35)
    await add_attempts(database, NOW)
    assert await attempts_by_table(database) == {
        long_ago.partition: 25, "webhook_attempts_other": 35, THIS_MONTH.partition: 1,
    }  # fmt: skip

    plan, report = await keeper(owner, batch=10).run()

    assert (report.dropped, report.attempts_deleted) == ([long_ago], 35)
    assert report.bytes_freed > 8_192
    assert await attempts_by_table(database) == {THIS_MONTH.partition: 1}
    [mark] = await read_rows(database, "SELECT kept_from FROM retention_marks WHERE name = 'webhook_attempts'")
    assert mark["kept_from"] == plan.attempts_from == month_of(NOW - timedelta(days=90)).first_moment


async def test_a_mark_never_moves_back(owner: Database) -> None:
    await keeper(owner).run()
    before = await read_rows(owner, "SELECT name, kept_from FROM retention_marks ORDER BY name")
    await Keeper(owner, KeptDays(attempts=3_000, deliveries=3_000)).run()

    after = await read_rows(owner, "SELECT name, kept_from FROM retention_marks ORDER BY name")
    assert [row["name"] for row in after] == ["webhook_attempts", "webhook_deliveries"]
    assert after == before


async def test_ended_deliveries_of_old_events_go_and_those_that_wait_stay(
    owner: Database, database: Database, keyring: Keyring
) -> None:
    await add_endpoint(database, keyring, "https://shop.example")
    await add_events(database, 50)
    ids = [row["id"] for row in await read_rows(database, "SELECT id FROM webhook_deliveries ORDER BY id")]
    statuses = ("delivered", "failed", "cancelled", "held", "pending")
    for number, delivery_id in enumerate(ids[:40]):
        old = first_id("dlv_", NOW - timedelta(days=181 if number < 35 else 179)) + delivery_id[16:]
        status = statuses[number % 5]
        await write_rows(
            owner,
            "UPDATE webhook_deliveries SET id = :old, status = CAST(:status AS text), "
            "due_at = CASE WHEN CAST(:status AS text) = 'pending' THEN now() END WHERE id = :id",
            old=old, status=status, id=delivery_id,
        )  # fmt: skip
    events = await read_rows(owner, "SELECT * FROM events ORDER BY id")

    _, looked = await keeper(owner).look()
    _, report = await keeper(owner, batch=4).run()

    assert (looked.deliveries_deleted, report.deliveries_deleted) == (21, 21)
    left = await read_rows(
        owner, "SELECT status, count(*) FROM webhook_deliveries WHERE id < :before GROUP BY 1 ORDER BY 1",
        before=first_id("dlv_", NOW - timedelta(days=180)),
    )  # fmt: skip
    assert left == [{"status": "held", "count": 7}, {"status": "pending", "count": 7}]
    assert await read_rows(owner, "SELECT count(*) FROM webhook_deliveries") == [{"count": 29}]
    assert await read_rows(owner, "SELECT * FROM events ORDER BY id") == events


async def test_old_replays_go_unless_they_still_run(owner: Database, database: Database, keyring: Keyring) -> None:
    endpoint = await add_endpoint(database, keyring, "https://shop.example")
    for days, status in ((181, "done"), (181, "running"), (179, "done")):
        asked_at = NOW - timedelta(days=days)
        async with database.statement() as connection:
            replay_id = await insert_replay(
                connection, endpoint.id, source=ReplaySource.MERCHANT, which=ReplayWhich.ALL,
                created_from=asked_at, created_to=asked_at, now=asked_at,
            )  # fmt: skip
        await write_rows(
            database, "UPDATE webhook_replays SET status = :status WHERE id = :id", status=status, id=replay_id
        )

    _, report = await keeper(owner).run()

    assert report.replays_deleted == 1
    [old] = await read_rows(
        database, "SELECT status FROM webhook_replays WHERE id < :id",
        id=first_id(WEBHOOK_REPLAY, NOW - timedelta(days=180)),
    )  # fmt: skip
    assert old == {"status": "running"}


async def test_attempts_that_are_recorded_meanwhile_are_all_kept_and_never_wait_long(
    owner: Database, database: Database
) -> None:
    await forget_months(owner, *(THIS_MONTH.later(months) for months in range(13)))
    await add_attempts(database, NOW, 20_000)
    stop, recorded, slowest = asyncio.Event(), 0, 0.0

    async def record(number: int) -> None:
        nonlocal recorded, slowest
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            recorded += 1
            started = loop.time()
            await add_attempts(database, datetime.now(UTC), number=1_000 * (number + 1) + recorded)
            slowest = max(slowest, loop.time() - started)

    recorders = [asyncio.create_task(record(number * 1_000)) for number in range(4)]
    _, report = await keeper(owner, batch=2_000).run()
    await asyncio.sleep(0.1)
    stop.set()
    await asyncio.gather(*recorders)

    assert len(report.made) == 13
    by_table = await attempts_by_table(database)
    assert set(by_table) == {THIS_MONTH.partition}
    assert by_table[THIS_MONTH.partition] == 20_000 + recorded
    assert recorded > 20
    assert slowest < 2


async def test_a_run_that_was_killed_anywhere_is_taken_up_by_the_next(owner: Database, database: Database) -> None:
    await forget_months(owner, *(THIS_MONTH.later(months) for months in range(13)))
    await add_attempts(database, NOW, 500)
    for milliseconds in range(0, 200, 4):
        running = asyncio.create_task(keeper(owner, batch=20).run())
        await asyncio.sleep(milliseconds / 1000)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert sum((await attempts_by_table(database)).values()) == 500

    await keeper(owner).run()

    assert await attempts_by_table(database) == {THIS_MONTH.partition: 500}
    assert len(await partitions(owner)) == 14


async def test_who_reads_for_long_is_not_disturbed_and_retention_says_that_it_could_not(
    owner: Database, owner_url: str
) -> None:
    await forget_months(owner, THIS_MONTH.later(12))
    with psycopg.connect(owner_url) as reader:
        reader.execute("SELECT count(*) FROM webhook_attempts")
        with pytest.raises(Failure, match="Run it again later"):
            await keeper(owner, tries=2).run()
        reader.execute("SELECT count(*) FROM webhook_attempts")

    _, report = await keeper(owner).run()
    assert report.made == [THIS_MONTH.later(12)]


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"WEBHOOK_ATTEMPTS_KEPT_DAYS": "0"}, "WEBHOOK_ATTEMPTS_KEPT_DAYS must be a whole number of days from 1 to"),
        ({"WEBHOOK_DELIVERIES_KEPT_DAYS": "ever"}, "WEBHOOK_DELIVERIES_KEPT_DAYS must be a whole number of days"),
        ({"WEBHOOK_DELIVERIES_KEPT_DAYS": "89"}, "must be at least WEBHOOK_ATTEMPTS_KEPT_DAYS"),
    ],
)
def test_days_that_make_no_sense_are_refused(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageFailure, match=sentence):
        read_kept_days(environment)


def ended(command: Command, status: int) -> Command:
    assert command.process.wait(60) == status, command.output + command.errors
    return command


async def test_the_command_says_what_it_would_do_and_then_does_it(
    gateway: Start, owner: Database, owner_url: str
) -> None:
    await forget_months(owner, THIS_MONTH.later(12))
    settings = {"MIGRATIONS_DATABASE_URL": owner_url, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}

    def run(*options: str) -> str:
        return ended(gateway("retention", *options, **settings), 0).output

    looked = await asyncio.to_thread(run, "--dry-run")
    assert f"1  months of attempts would be made: {THIS_MONTH.later(12).name}" in looked
    assert len(await partitions(owner)) == 13
    done = json.loads(await asyncio.to_thread(run, "--json"))
    assert (done["months_made"], done["dry_run"]) == ([THIS_MONTH.later(12).name], False)
    assert (await asyncio.to_thread(run)).startswith("Nothing is to be done.\n")


def test_the_services_role_is_told_that_the_owner_is_needed(gateway: Start, database_url: str) -> None:
    command = ended(gateway("retention", DATABASE_URL=database_url), 1)

    assert command.errors.startswith("gateway: PostgreSQL refuses: ")
    assert command.errors.endswith("Retention needs the tables' owner: set MIGRATIONS_DATABASE_URL.\n")


async def test_of_two_at_once_one_works(gateway: Start, owner: Database, owner_url: str) -> None:
    async with owner.statement() as connection:
        await connection.execute(text("SELECT pg_advisory_lock(7417346901)"))
        command = await asyncio.to_thread(lambda: ended(gateway("retention", MIGRATIONS_DATABASE_URL=owner_url), 1))
        await connection.execute(text("SELECT pg_advisory_unlock_all()"))

    assert command.errors == "gateway: Another retention of this database is at work.\n"

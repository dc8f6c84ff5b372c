"""Workers as rows: who counts as living, and when a dead one's row goes."""

from tests.support.records import read_rows, write_rows

from gateway_common.db.database import Database
from gateway_common.workers.store import (
    SILENT_AFTER_SECONDS,
    count_live_workers,
    delete_silent_workers,
    delete_worker,
    renew_worker,
)

AGE = "UPDATE workers SET seen_at = now() - make_interval(secs => :seconds) WHERE id = :id"


async def ids(database: Database) -> list[str]:
    return [row["id"] for row in await read_rows(database, "SELECT id FROM workers ORDER BY id")]


async def test_a_renewal_moves_the_last_sign_of_life_and_keeps_the_start(database: Database) -> None:
    async with database.statement() as connection:
        await renew_worker(connection, "wrk_1", "processor")
        await write_rows(database, "UPDATE workers SET seen_at = 'epoch', started_at = 'epoch'")

        await renew_worker(connection, "wrk_1", "processor")

    [row] = await read_rows(
        database, "SELECT started_at = 'epoch' AS old, seen_at > now() - interval '1 minute' AS seen FROM workers"
    )
    assert row == {"old": True, "seen": True}


async def test_only_workers_of_the_service_that_spoke_lately_count_as_living(database: Database) -> None:
    async with database.statement() as connection:
        for worker_id, service in (("wrk_1", "processor"), ("wrk_2", "processor"), ("wrk_3", "webhook-dispatcher")):
            await renew_worker(connection, worker_id, service)
        await write_rows(database, AGE, id="wrk_2", seconds=SILENT_AFTER_SECONDS + 1)

        assert await count_live_workers(connection, "processor") == 1


async def test_a_worker_that_leaves_is_forgotten_at_once_and_a_dead_one_after_an_hour(database: Database) -> None:
    async with database.statement() as connection:
        for worker_id in ("wrk_left", "wrk_silent", "wrk_dead"):
            await renew_worker(connection, worker_id, "processor")
        await write_rows(database, AGE, id="wrk_silent", seconds=3_000)
        await write_rows(database, AGE, id="wrk_dead", seconds=3_700)

        await delete_worker(connection, "wrk_left")
        await delete_silent_workers(connection)

    assert await ids(database) == ["wrk_silent"]

"""Every SQL statement of workers. All times here are the database's."""

from typing import Final

from sqlalchemy import text

from gateway_common.db.database import Connection

SILENT_AFTER_SECONDS: Final = 15.0
"""For how long a worker's word holds by default: after so much silence it counts as dead."""
RENEWALS: Final = 3
"""So often a worker gives its word anew in that time: two may be lost."""

_LIVES: Final = "workers.seen_at > now() - make_interval(secs => workers.silent_after_seconds)"
LEASE_IS_FREE: Final = """
NOT EXISTS (
    SELECT FROM workers
    WHERE workers.id = worker_id
        AND workers.seen_at > now() - make_interval(secs => workers.silent_after_seconds + :grace_seconds)
)
OR leased_at < now() - make_interval(secs => :lease_limit_seconds)
"""
"""When a lease of a row with `worker_id` and `leased_at` holds no more: its worker fell silent, or forgot the job."""

_RENEW = text("""
INSERT INTO workers (id, service, started_at, seen_at, silent_after_seconds)
VALUES (:id, :service, now(), now(), :silent_after_seconds)
ON CONFLICT (id) DO UPDATE SET seen_at = now(), silent_after_seconds = excluded.silent_after_seconds
""")
_DELETE = text("DELETE FROM workers WHERE id = :id")
_DELETE_SILENT = text("DELETE FROM workers WHERE seen_at < now() - interval '1 hour'")
_COUNT_LIVE = text(f"SELECT count(*) FROM workers WHERE service = :service AND {_LIVES}")
_FIND_OLDEST = text(f"SELECT min(id) FROM workers WHERE service = :service AND {_LIVES}")


async def renew_worker(
    connection: Connection, worker_id: str, service: str, *, silent_after_seconds: float = SILENT_AFTER_SECONDS
) -> None:
    """Say that the worker lives, and with it all its leases."""
    parameters = {"id": worker_id, "service": service, "silent_after_seconds": silent_after_seconds}
    await connection.execute(_RENEW, parameters)


async def delete_worker(connection: Connection, worker_id: str) -> None:
    await connection.execute(_DELETE, {"id": worker_id})


async def delete_silent_workers(connection: Connection) -> None:
    """Clean up rows of processes that died without a word; their leases were freed long ago."""
    await connection.execute(_DELETE_SILENT)


async def count_live_workers(connection: Connection, service: str) -> int:
    count: int = await connection.scalar(_COUNT_LIVE, {"service": service})
    return count


async def find_oldest_worker(connection: Connection, service: str) -> str | None:
    """The live worker that started first: what one process is enough for is its task. Ids are in order of time."""
    oldest: str | None = await connection.scalar(_FIND_OLDEST, {"service": service})
    return oldest

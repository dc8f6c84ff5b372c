"""Every SQL statement of workers. All times here are the database's."""

from typing import Final

from sqlalchemy import text

from gateway_common.db.database import Connection

RENEW_EVERY_SECONDS: Final = 5.0
SILENT_AFTER_SECONDS: Final = 15.0
"""Three renewals may be lost before a worker counts as dead."""

LEASE_IS_FREE: Final = """
NOT EXISTS (
    SELECT FROM workers
    WHERE workers.id = worker_id AND workers.seen_at > now() - make_interval(secs => :silent_after_seconds)
)
OR leased_at < now() - make_interval(secs => :lease_limit_seconds)
"""
"""When a lease of a row with `worker_id` and `leased_at` holds no more: its worker fell silent, or forgot the job."""

_RENEW = text("""
INSERT INTO workers (id, service, started_at, seen_at) VALUES (:id, :service, now(), now())
ON CONFLICT (id) DO UPDATE SET seen_at = now()
""")
_DELETE = text("DELETE FROM workers WHERE id = :id")
_DELETE_SILENT = text("DELETE FROM workers WHERE seen_at < now() - interval '1 hour'")
_COUNT_LIVE = text("""
SELECT count(*) FROM workers
WHERE service = :service AND seen_at > now() - make_interval(secs => :silent_after_seconds)
""")
_FIND_OLDEST = text("""
SELECT min(id) FROM workers
WHERE service = :service AND seen_at > now() - make_interval(secs => :silent_after_seconds)
""")


async def renew_worker(connection: Connection, worker_id: str, service: str) -> None:
    """Say that the worker lives, and with it all its leases."""
    await connection.execute(_RENEW, {"id": worker_id, "service": service})


async def delete_worker(connection: Connection, worker_id: str) -> None:
    await connection.execute(_DELETE, {"id": worker_id})


async def delete_silent_workers(connection: Connection) -> None:
    """Clean up rows of processes that died without a word; their leases were freed long ago."""
    await connection.execute(_DELETE_SILENT)


async def count_live_workers(connection: Connection, service: str) -> int:
    parameters = {"service": service, "silent_after_seconds": SILENT_AFTER_SECONDS}
    count: int = await connection.scalar(_COUNT_LIVE, parameters)
    return count


async def find_oldest_worker(connection: Connection, service: str) -> str | None:
    """The live worker that started first: what one process is enough for is its task. Ids are in order of time."""
    parameters = {"service": service, "silent_after_seconds": SILENT_AFTER_SECONDS}
    oldest: str | None = await connection.scalar(_FIND_OLDEST, parameters)
    return oldest

"""Every SQL statement of retention: months of attempts made and dropped, ended deliveries deleted. For the owner only.

All times are the database's. Of what else there is (events, ledger, payments) nothing is touched.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from gateway_common.db.database import Connection
from gateway_common.ids import WEBHOOK_DELIVERY, WEBHOOK_REPLAY, first_id
from gateway_common.retention.model import Month, month_of

LOCK_TIMEOUT_MS: Final = 200
"""Who waits for a lock has others wait behind it: attempts are then not recorded for so long at most."""
STATEMENT_TIMEOUT_MS: Final = 600_000
COMING: Final = "webhook_attempts_coming"
"""A month in the making: what is in it is only a copy until the month is attached."""

_BE_PATIENT = text("SELECT set_config('statement_timeout', :timeout_ms, true)")
_BE_SHORT = text("SELECT set_config('lock_timeout', :lock_timeout_ms, true)")
_TRY_LOCK = text("SELECT pg_try_advisory_lock(7417346901)")
_NOW = text("SELECT now()")
_LIST_MONTHS = text(r"""
SELECT substr(relname, 18, 4)::integer AS year, substr(relname, 23, 2)::integer AS number
FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = CAST('webhook_attempts' AS regclass) AND relname ~ '^webhook_attempts_\d{4}_\d{2}$'
ORDER BY relname
""")
_COUNT_ASTRAY = text("""
SELECT date_trunc('month', started_at, 'UTC') AS month, count(*)
FROM webhook_attempts_other
GROUP BY 1
""")
_BEGIN: Final = (f"DROP TABLE IF EXISTS {COMING}", f"CREATE TABLE {COMING} (LIKE webhook_attempts INCLUDING ALL)")
_KEY: Final = "delivery_id, number, started_at"
# Attempts are never changed, so what is copied is right; what comes meanwhile is found when the month is attached.
_COPY = text(f"""
WITH walked AS MATERIALIZED (
    SELECT * FROM webhook_attempts_other
    WHERE CAST(:delivery_id AS text) IS NULL
        OR ({_KEY}) > (CAST(:delivery_id AS text), CAST(:number AS integer), CAST(:started_at AS timestamptz))
    ORDER BY {_KEY}
    LIMIT :most
),
copied AS (
    INSERT INTO {COMING} SELECT * FROM walked WHERE started_at >= :first AND started_at < :end
)
SELECT {_KEY} FROM walked ORDER BY delivery_id DESC, number DESC, started_at DESC LIMIT 1
""")
_ANALYZE = text(f"ANALYZE {COMING}")
# Inserts wait before they know where to, so that none is on its way to a place that is no longer the right one.
_HOLD_INSERTS: Final = (
    "LOCK TABLE ONLY webhook_attempts IN SHARE ROW EXCLUSIVE MODE",
    "LOCK TABLE webhook_attempts_other IN ACCESS EXCLUSIVE MODE",
)
_COPY_REST = text(f"""
INSERT INTO {COMING}
SELECT * FROM webhook_attempts_other AS other
WHERE started_at >= :first AND started_at < :end AND NOT EXISTS (
    SELECT FROM {COMING} AS copied
    WHERE copied.delivery_id = other.delivery_id AND copied.number = other.number
        AND copied.started_at = other.started_at
)
""")
_COUNT_COPIED = text(f"SELECT count(*) FROM {COMING}")
_HAS_OTHERS = text("""
SELECT EXISTS (SELECT FROM webhook_attempts_other WHERE started_at < :first OR started_at >= :end)
""")
_EMPTY: Final = text("TRUNCATE webhook_attempts_other")
_REMOVE = text("DELETE FROM webhook_attempts_other WHERE started_at >= :first AND started_at < :end")
_DELETE_ASTRAY = text("""
DELETE FROM webhook_attempts_other WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM webhook_attempts_other WHERE started_at < :before LIMIT :most
))
""")
_ENDED: Final = "status IN ('delivered', 'cancelled', 'failed')"
# What still waits stays, however old it is, and is passed over. The lock sees who is tried again in this moment.
_DELETE_DELIVERIES = text(f"""
WITH walked AS MATERIALIZED (
    SELECT id FROM webhook_deliveries WHERE id > :after AND id < :before ORDER BY id LIMIT :most
),
ended AS (
    SELECT id FROM webhook_deliveries
    WHERE id IN (SELECT id FROM walked) AND {_ENDED}
    ORDER BY id
    FOR UPDATE SKIP LOCKED
),
deleted AS (
    DELETE FROM webhook_deliveries USING ended WHERE webhook_deliveries.id = ended.id RETURNING webhook_deliveries.id
)
SELECT (SELECT max(id) FROM walked) AS last_id, (SELECT count(*) FROM deleted) AS deleted
""")
_DELETE_REPLAYS = text("DELETE FROM webhook_replays WHERE id < :before AND status <> 'running'")
_COUNT_OLD = text(f"""
SELECT
    (SELECT count(*) FROM webhook_deliveries WHERE id < :deliveries_before AND {_ENDED}) AS deliveries,
    (SELECT count(*) FROM webhook_replays WHERE id < :replays_before AND status <> 'running') AS replays
""")
_NOTE = text("""
INSERT INTO retention_marks (name, kept_from, updated_at) VALUES (:name, :kept_from, now())
ON CONFLICT (name) DO UPDATE SET
    kept_from = greatest(retention_marks.kept_from, excluded.kept_from), updated_at = now()
""")


async def try_lock(connection: Connection) -> bool:
    """Whether nobody else is at it; nobody comes in until this connection is closed."""
    is_ours: bool = await connection.scalar(_TRY_LOCK)
    return is_ours


async def be_patient(connection: Connection) -> None:
    """Let the statements of this transaction take their time, but not wait for locks."""
    await connection.execute(_BE_PATIENT, {"timeout_ms": str(STATEMENT_TIMEOUT_MS)})
    await connection.execute(_BE_SHORT, {"lock_timeout_ms": str(LOCK_TIMEOUT_MS)})


async def read_now(connection: Connection) -> datetime:
    now: datetime = await connection.scalar(_NOW)
    return now


async def list_months(connection: Connection) -> list[Month]:
    """The months that have a partition, oldest first."""
    return [Month(row.year, row.number) for row in await connection.execute(_LIST_MONTHS)]


async def count_astray(connection: Connection) -> dict[Month, int]:
    """How many attempts there are whose month has no partition, by month."""
    return {month_of(row.month): row[1] for row in await connection.execute(_COUNT_ASTRAY)}


async def begin_month(connection: Connection) -> None:
    """Begin a month, in a transaction. What an earlier run left unfinished is only a copy, and goes."""
    for statement in _BEGIN:
        await connection.execute(text(statement))


async def copy_astray(
    connection: Connection, month: Month, *, after: Mapping[str, Any] | None = None, most: int
) -> Mapping[str, Any] | None:
    """Copy attempts of this month among the next `most` that have none; behind which to go on, None at the end."""
    place = after or {"delivery_id": None, "number": None, "started_at": None}
    parameters = {**place, **_bounds(month), "most": most}
    row = (await connection.execute(_COPY, parameters)).mappings().one_or_none()
    return None if row is None else dict(row)


async def analyze_month(connection: Connection) -> None:
    """Have the planner know what was copied, before somebody waits for it."""
    await connection.execute(_ANALYZE)


async def attach_month(connection: Connection, month: Month) -> int:
    """Make the begun month a partition, in a transaction of its own, and move into it whatever is not copied yet.

    Nobody records an attempt meanwhile. How many attempts it then has.
    """
    for statement in _HOLD_INSERTS:
        await connection.execute(text(statement))
    await connection.execute(_COPY_REST, _bounds(month))
    moved: int = await connection.scalar(_COUNT_COPIED)
    if moved:
        # To empty it takes no time, to delete from it does.
        has_others = await connection.scalar(_HAS_OTHERS, _bounds(month))
        await connection.execute(_REMOVE if has_others else _EMPTY, _bounds(month) if has_others else {})
    first, end = (f"'{moment.isoformat()}'" for moment in _bounds(month).values())
    for statement in (
        # With it PostgreSQL need not read the month to see that all of it belongs there.
        f"ALTER TABLE {COMING} ADD CONSTRAINT coming CHECK (started_at >= {first} AND started_at < {end})",
        f"ALTER TABLE webhook_attempts ATTACH PARTITION {COMING} FOR VALUES FROM ({first}) TO ({end})",
        f"ALTER TABLE {COMING} DROP CONSTRAINT coming",
        f"ALTER TABLE {COMING} RENAME TO {month.partition}",
        f"ALTER INDEX {COMING}_pkey RENAME TO {month.partition}_pkey",
    ):
        await connection.execute(text(statement))
    return moved


async def measure_month(connection: Connection, month: Month) -> int:
    """How many bytes the month takes."""
    size: int = await connection.scalar(
        text("SELECT pg_total_relation_size(CAST(:name AS regclass))"), {"name": month.partition}
    )
    return size


async def drop_month(connection: Connection, month: Month) -> None:
    """Drop a month of attempts, in a transaction of its own."""
    await connection.execute(text(f"DROP TABLE IF EXISTS {month.partition}"))


async def delete_astray(connection: Connection, *, before: datetime, most: int) -> int:
    """Delete attempts that started before and whose month has no partition; how many."""
    return (await connection.execute(_DELETE_ASTRAY, {"before": before, "most": most})).rowcount


async def delete_deliveries(
    connection: Connection, *, before: datetime, after: str, most: int
) -> tuple[str | None, int]:
    """Of the next `most` deliveries behind `after` delete those that ended and whose event is older than `before`.

    Behind which to go on, None at the end; and how many were deleted.
    """
    parameters = {"before": first_id(WEBHOOK_DELIVERY, before), "after": after, "most": most}
    row = (await connection.execute(_DELETE_DELIVERIES, parameters)).one()
    return row.last_id, row.deleted


async def delete_replays(connection: Connection, *, before: datetime) -> int:
    """Delete replays that ended and were asked for before; how many."""
    parameters = {"before": first_id(WEBHOOK_REPLAY, before)}
    return (await connection.execute(_DELETE_REPLAYS, parameters)).rowcount


async def count_old(connection: Connection, *, before: datetime) -> tuple[int, int]:
    """How many deliveries and replays these two would delete."""
    parameters = {
        "deliveries_before": first_id(WEBHOOK_DELIVERY, before),
        "replays_before": first_id(WEBHOOK_REPLAY, before),
    }
    row = (await connection.execute(_COUNT_OLD, parameters)).one()
    return row.deliveries, row.replays


async def note_kept_from(connection: Connection, name: str, kept_from: datetime) -> None:
    """Say, before anything is dropped, from when on all of it is there. That moment never moves back."""
    await connection.execute(_NOTE, {"name": name, "kept_from": kept_from})


def _bounds(month: Month) -> dict[str, datetime]:
    return {"first": month.first_moment, "end": month.later(1).first_moment}

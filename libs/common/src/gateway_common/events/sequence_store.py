"""Gives events their numbers: per merchant and mode, without a gap, in the order in which they were committed.

It happens in batches after the commit, so that nobody who records an event waits for a counter: what a batch sees is
committed, and what commits later gets a later number. Within a batch the order is that of recording, which for the
changes of one object is the order of their commits, for they lock its row.
"""

from typing import Final

from sqlalchemy import text

from gateway_common.db.database import Connection

BATCH_MOST: Final = 2_000

_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(4807526976)")
"""One sequencer at a time. A second one could not see the numbers that the first has not committed yet."""
_NUMBER: Final = text("""
WITH batch AS MATERIALIZED (
    SELECT id, merchant_id, livemode,
        row_number() OVER (PARTITION BY merchant_id, livemode ORDER BY position NULLS FIRST, id) AS turn
    FROM (
        SELECT id, merchant_id, livemode, position
        FROM events
        WHERE sequence IS NULL
        ORDER BY position NULLS FIRST, id
        LIMIT :most
    ) AS oldest
),
counter AS (
    INSERT INTO event_sequences (merchant_id, livemode, last)
    SELECT merchant_id, livemode, count(*) FROM batch GROUP BY merchant_id, livemode
    ON CONFLICT (merchant_id, livemode) DO UPDATE SET last = event_sequences.last + excluded.last
    RETURNING merchant_id, livemode, last
),
base AS (
    SELECT counter.merchant_id, counter.livemode, counter.last - count(*) AS number
    FROM counter JOIN batch ON batch.merchant_id = counter.merchant_id AND batch.livemode = counter.livemode
    GROUP BY counter.merchant_id, counter.livemode, counter.last
)
UPDATE events SET sequence = base.number + batch.turn
FROM batch JOIN base ON base.merchant_id = batch.merchant_id AND base.livemode = batch.livemode
WHERE events.id = batch.id
""")


async def number_events(connection: Connection, *, most: int = BATCH_MOST) -> int:
    """Number at most this many events, in a transaction of its own; how many there were. 0 while another is at it."""
    # A statement of its own: the next one must see what the last sequencer committed.
    if not await connection.scalar(_LOCK):
        return 0
    return (await connection.execute(_NUMBER, {"most": most})).rowcount

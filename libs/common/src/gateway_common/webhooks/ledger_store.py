"""The statement that counts deliveries: how many there were to be, and what became of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from gateway_common.db.database import Connection
from gateway_common.ids import EVENT, WEBHOOK_DELIVERY, first_id

COUNTED_MOST: Final = 100_000
"""No more held or exhausted deliveries than this are counted: what counts is that there are any, and whether more."""

# One statement sees one moment. A delivery's id begins with the time of its event, so both ranges are of the same
# events. Of all times the held and exhausted are counted, which have an index each.
_COUNT = text("""
SELECT event.created, delivery.*, held.count AS held_ever, exhausted.count AS exhausted_ever
FROM (SELECT coalesce(sum(fan_out), 0)::bigint AS created FROM events WHERE id >= :events_from) AS event
CROSS JOIN (
    SELECT
        count(*) FILTER (WHERE status = 'delivered') AS delivered,
        count(*) FILTER (WHERE status = 'pending') AS pending,
        count(*) FILTER (WHERE status = 'held') AS held,
        count(*) FILTER (WHERE status = 'failed') AS exhausted,
        count(*) FILTER (WHERE status = 'cancelled') AS cancelled
    FROM webhook_deliveries WHERE id >= :deliveries_from
) AS delivery
CROSS JOIN (
    SELECT count(*) FROM (SELECT FROM webhook_deliveries WHERE status = 'held' LIMIT :most) AS counted
) AS held
CROSS JOIN (
    SELECT count(*) FROM (SELECT FROM webhook_deliveries WHERE status = 'failed' LIMIT :most) AS counted
) AS exhausted
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLedger:
    """How many deliveries the events of some time were given, and how many are in each status; all of one moment.

    `created` is always the sum of the next five. The last two are of all times, a hundred thousand at most.
    """

    created: int
    delivered: int
    pending: int
    held: int
    exhausted: int
    cancelled: int
    held_ever: int
    exhausted_ever: int


async def count_deliveries(connection: Connection, *, since: datetime) -> DeliveryLedger:
    """Count the deliveries of the events since then."""
    parameters = {
        "events_from": first_id(EVENT, since),
        "deliveries_from": first_id(WEBHOOK_DELIVERY, since),
        "most": COUNTED_MOST,
    }
    return DeliveryLedger(**(await connection.execute(_COUNT, parameters)).one()._asdict())

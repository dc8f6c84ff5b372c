"""A merchant's lists of deliveries: each filter finds what it should, and none reads the table from end to end."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from tests.support.deliveries import MERCHANT_ID, add_endpoint, add_events
from tests.support.records import read_rows, write_rows

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.merchants.store import save_merchant
from gateway_common.webhooks.delivery_store import LOOK_MOST, DeliveryFilter, list_deliveries
from gateway_common.webhooks.model import DeliveryStatus

URL = "https://shop.example/hook"
ROWS = 25_000
RARE = 100
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
# One a second. The oldest are of the quiet endpoint, and those of each status that is rare.
_FILL = """
INSERT INTO webhook_deliveries (
    id, event_id, endpoint_id, merchant_id, livemode, status, lane, due_at, created_at, updated_at
)
SELECT
    'dlv_' || lpad(to_hex(CAST(extract(epoch FROM moment) * 1000 AS bigint)), 12, '0') || lpad(to_hex(n), 18, '0'),
    :event_id, CASE WHEN n < :rare THEN :quiet ELSE :busy END, :merchant_id, false, status, n % 2,
    CASE status WHEN 'pending' THEN now() END, moment, moment
FROM (
    SELECT n, CAST(:beginning AS timestamptz) + n * interval '1 second' AS moment,
        CASE n / :rare WHEN 1 THEN 'failed' WHEN 2 THEN 'held' WHEN 3 THEN 'pending' ELSE 'delivered' END AS status
    FROM generate_series(1, :rows) AS n
) AS made
"""

_ROWS_READ = text("""
SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = 'webhook_deliveries'
""")


@dataclass(frozen=True)
class History:
    database: Database
    quiet: str
    busy: str

    async def find(
        self, wanted: DeliveryFilter, *, limit: int = 11, starting_after: str | None = None
    ) -> tuple[list[str], str | None, int]:
        """The page's ids, where the search ended, and how many rows were read for it, by a plan that fits any value."""
        async with self.database.transaction() as connection:
            await connection.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
            before = await connection.scalar(_ROWS_READ)
            found, looked_until = await list_deliveries(
                connection,
                wanted,
                merchant_id=MERCHANT_ID,
                livemode=False,
                limit=limit,
                starting_after=starting_after,
            )
            read = await connection.scalar(_ROWS_READ) - before
        return [delivery.id for delivery in found], looked_until, int(read)


@pytest.fixture
async def history(database: Database, owner: Database, keyring: Keyring) -> History:
    """A merchant's deliveries, few of them to the quiet endpoint, and after them all as many of another merchant."""
    quiet, busy, other = [(await add_endpoint(database, keyring, URL, event_types=("ping",))).id for _ in range(3)]
    await add_events(database)
    [event] = await read_rows(database, "SELECT id FROM events")
    parameters = {"event_id": event["id"], "rows": ROWS, "rare": RARE}
    own = parameters | {"merchant_id": MERCHANT_ID, "quiet": quiet, "busy": busy, "beginning": BEGINNING}
    later = BEGINNING + timedelta(seconds=2 * ROWS)
    async with database.statement() as connection:
        await save_merchant(connection, "mer_other", "Other", BEGINNING)
    await write_rows(database, "UPDATE webhook_endpoints SET merchant_id = 'mer_other' WHERE id = :id", id=other)
    await write_rows(database, _FILL, **own)
    await write_rows(database, _FILL, **parameters, merchant_id="mer_other", quiet=other, busy=other, beginning=later)
    await write_rows(owner, "ANALYZE webhook_deliveries")
    return History(database, quiet, busy)


async def test_what_is_rare_and_old_is_found_without_walking_through_what_came_later(history: History) -> None:
    for status in (DeliveryStatus.FAILED, DeliveryStatus.HELD):
        for endpoint_id in (None, history.busy):
            wanted = DeliveryFilter(status=status, endpoint_id=endpoint_id)
            found, looked_until, read = await history.find(wanted, limit=RARE + 1)
            assert (len(found), looked_until) == (RARE, None)
            assert read < 3 * RARE, (wanted, read)
        assert found == sorted(found, reverse=True)


async def test_what_waits_is_found_however_old_it_is(history: History) -> None:
    for endpoint_id in (None, history.busy):
        wanted = DeliveryFilter(status=DeliveryStatus.PENDING, endpoint_id=endpoint_id)
        found, looked_until, read = await history.find(wanted, limit=RARE + 1)
        assert (len(found), looked_until) == (RARE, None)
        assert read < LOOK_MOST + 5 * RARE, (wanted, read)
        assert found == sorted(found, reverse=True)


async def test_a_page_of_a_merchant_reads_only_that_ones(history: History) -> None:
    found, looked_until, read = await history.find(DeliveryFilter())

    assert (len(found), looked_until) == (11, None)
    assert read < RARE


async def test_a_page_of_one_endpoint_reads_only_that_ones(history: History) -> None:
    found, _, read = await history.find(DeliveryFilter(endpoint_id=history.quiet))
    assert len(found) == 11
    assert read < 3 * RARE

    found, _, read = await history.find(DeliveryFilter(endpoint_id=history.quiet, status=DeliveryStatus.FAILED))
    assert found == []
    assert read < RARE


async def test_a_page_of_a_time_or_behind_a_row_reads_only_that_range(history: History) -> None:
    wanted = DeliveryFilter(
        created_from=BEGINNING + timedelta(seconds=1000), created_to=BEGINNING + timedelta(seconds=1020)
    )
    found, _, read = await history.find(wanted, limit=101)
    assert len(found) == 20
    assert read < 3 * RARE

    rest, _, read = await history.find(wanted, limit=101, starting_after=found[5])
    assert rest == found[6:]
    assert read < 3 * RARE
    status = replace(wanted, status=DeliveryStatus.DELIVERED, endpoint_id=history.busy)
    assert (await history.find(status, limit=101))[0] == found


async def test_the_search_for_what_no_index_knows_ends_and_goes_on_from_there(history: History) -> None:
    wanted = DeliveryFilter(status=DeliveryStatus.CANCELLED)
    pages, looked_until = 0, None
    while pages == 0 or looked_until is not None:
        found, looked_until, read = await history.find(wanted, starting_after=looked_until)
        assert found == []
        # Once for the page, and once for where it ended.
        assert read < 2 * LOOK_MOST + RARE
        pages += 1

    assert pages == ROWS // LOOK_MOST + 1
    newest, _, read = await history.find(DeliveryFilter(status=DeliveryStatus.DELIVERED))
    assert len(newest) == 11
    assert read < RARE


async def test_an_events_deliveries_are_found_by_their_time(history: History) -> None:
    await write_rows(history.database, "UPDATE webhook_endpoints SET event_types = '{}'")
    await add_events(history.database, 2)
    events = await read_rows(history.database, "SELECT id FROM events ORDER BY position DESC LIMIT 2")

    for event in events:
        found, _, read = await history.find(DeliveryFilter(event_id=event["id"]))
        assert len(found) == 2
        assert read < RARE
        of_one, _, _ = await history.find(DeliveryFilter(event_id=event["id"], endpoint_id=history.quiet))
        assert len(of_one) == 1
    for unknown in ("evt_", "evt_zzzzzzzzzzzz", "nonsense", "evt_ffffffffffff000000000000000000"):
        found, _, read = await history.find(DeliveryFilter(event_id=unknown))
        assert found == []
        assert read < RARE

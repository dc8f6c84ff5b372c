"""What is read of a chaos run: the ledger at each moment, in the end the sink's diary against the database's rows."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import text
from tests.support.records import read_rows
from tests.support.webhook_chaos_shop import Shop
from tests.support.webhook_chaos_sink import Request

from gateway_common.db.database import Database, DatabaseUnavailableError

SAMPLE_SECONDS: Final = 1.0
BURST_SECONDS: Final = 0.1
"""What a rate allows in this time may come at once; see claim_store.py."""
LATE_SECONDS: Final = 0.5
"""How much later than another a claimed delivery may be sent on a busy machine."""
SAMPLE: Final = text("""
SELECT
    (SELECT coalesce(sum(fan_out), 0) FROM events) AS created,
    (SELECT coalesce(sum(fan_out), 0) FROM events WHERE type = 'webhook_endpoint.disabled') AS of_the_gateway,
    count(*) FILTER (WHERE endpoint_id = :deleted_id) AS of_the_deleted,
    count(*) FILTER (WHERE status = 'delivered') AS delivered,
    count(*) FILTER (WHERE status = 'pending') AS pending,
    count(*) FILTER (WHERE status = 'held') AS held,
    count(*) FILTER (WHERE status = 'failed') AS exhausted,
    count(*) FILTER (WHERE status = 'cancelled') AS cancelled
FROM webhook_deliveries
""")
STATUSES: Final = ("delivered", "pending", "held", "exhausted", "cancelled")
MISCOUNTED: Final = """
SELECT delivery.id, delivery.attempts, coalesce(found.count, 0) AS count, found.numbers
FROM webhook_deliveries AS delivery
LEFT JOIN (
    SELECT delivery_id, count(*), count(DISTINCT number) AS numbers, max(number) AS highest
    FROM webhook_attempts GROUP BY delivery_id
) AS found ON found.delivery_id = delivery.id
WHERE delivery.attempts <> coalesce(found.count, 0) OR found.numbers <> found.count OR found.highest <> found.count
"""
DIGESTS: Final = "SELECT id, encode(sha256(body), 'hex') AS digest FROM events"


@dataclass
class Ledger:
    """`created = delivered + pending + held + exhausted + cancelled`, looked at again and again."""

    shop: Shop
    database: Database
    samples: int = 0
    wrong: list[str] = field(default_factory=list)

    async def watch(self, stop: asyncio.Event) -> None:
        """Look each second; the seconds for which PostgreSQL is away are skipped."""
        while not stop.is_set():
            with contextlib.suppress(DatabaseUnavailableError):
                await self._look()
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _look(self) -> None:
        before = len(self.shop.wanted)
        async with self.database.snapshot(timeout_seconds=10) as connection:
            row = (await connection.execute(SAMPLE, {"deleted_id": self.shop.shelf("deleted").id})).mappings().one()
        after = len(self.shop.wanted) + self.shop.under_way
        self.samples += 1
        found = sum(row[status] for status in STATUSES)
        ours = row["created"] - row["of_the_gateway"] - row["of_the_deleted"]
        if row["created"] != found or not before <= ours <= after:
            self.wrong.append(f"{dict(row)}, and committed were {before} to {after}")


@dataclass(frozen=True, kw_only=True)
class Books:
    """All that was sent and all that was stored."""

    shop: Shop
    requests: Sequence[Request]
    deliveries: Sequence[Mapping[str, Any]]
    cut_short: Counter[str]
    """How often each delivery was claimed by one who could not record it."""
    attempts_most: int
    in_flight_most: int

    def lost(self) -> list[str]:
        """What was wanted and neither came nor rests in the ledger as it must."""
        came = {(request.path, request.webhook_id) for request in self.requests if not request.failed}
        stored = {(row["event_id"], row["endpoint_id"]): row for row in self.deliveries}
        lost = []
        for (event_id, endpoint_id), path in self.shop.wanted.items():
            row = stored.get((event_id, endpoint_id))
            if row is None or not (
                self._rests_rightly(path, row) or (row["status"] == "delivered" and (path, event_id) in came)
            ):
                lost.append(f"{event_id} at {path}: {row and row['status']}")
        return lost

    def wrongly_ended(self) -> list[str]:
        """Deliveries of the deleted endpoint and of the gateway's own events count too."""
        paths = {shelf.id: shelf.path for shelf in self.shop.shelves}
        return [
            f"{row['id']} at {paths[row['endpoint_id']]}: {row['status']}"
            for row in self.deliveries
            if row["status"] != "delivered" and not self._rests_rightly(paths[row["endpoint_id"]], row)
        ]

    def _rests_rightly(self, path: str, row: Mapping[str, Any]) -> bool:
        if row["status"] == "failed":
            return row["attempts"] - row["schedule_from"] == self.attempts_most and path.startswith("/dropping/")
        owners = {"held": self.shop.shelf("gone").path, "cancelled": self.shop.shelf("deleted").path}
        return row["status"] in owners and owners[row["status"]] == path

    def _sent_again(self) -> Iterator[Request]:
        """Requests that repeat one which had not failed."""
        by_webhook = defaultdict(list)
        for request in self.requests:
            by_webhook[request.path, request.webhook_id].append(request)
        for requests in by_webhook.values():
            for first, second in pairwise(requests):
                if not first.failed:
                    yield second

    def duplicates(self) -> Counter[str]:
        """How often each delivery was sent again without having failed."""
        return Counter(request.delivery_id for request in self._sent_again())

    def unexplained(self) -> Counter[str]:
        """Duplicates beyond those that a death or an outage cut short."""
        return self.duplicates() - self.cut_short

    async def altered(self, database: Database) -> list[str]:
        """Requests whose body is not the event's, or whose delivery is not that event's."""
        digests = {row["id"]: row["digest"] for row in await read_rows(database, DIGESTS)}
        events = {row["id"]: row["event_id"] for row in self.deliveries}
        return [
            request.delivery_id
            for request in self.requests
            if request.digest != digests[request.webhook_id] or events[request.delivery_id] != request.webhook_id
        ]

    def over_cap(self) -> list[str]:
        """Paths at which more were under way at once than may be, by all dispatchers together."""
        most: Counter[str] = Counter()
        for request in self.requests:
            most[request.path] = max(most[request.path], request.in_flight)
        caps = {shelf.path: shelf.max_in_flight or self.in_flight_most for shelf in self.shop.shelves}
        return [f"{path}: {count}, at most {caps[path]}" for path, count in most.items() if count > caps[path]]

    def over_rate(self) -> list[str]:
        """Stretches of time in which more came to the limited endpoint than its rate allows."""
        shelf = self.shop.shelf("limited")
        rate = shelf.rate_limit_per_second or 0
        came = [request.came_at for request in self.requests if request.path == shelf.path]
        over, least = [], float("inf")
        for number, at in enumerate(came):
            # The least of `rate * start - number` says from when on the count up to now is the greatest for its time.
            least = min(least, number - rate * at)
            count = number - rate * at - least + 1
            if count > 1 + rate * (BURST_SECONDS + LATE_SECONDS):
                over.append(f"{count:.1f} too many by request {number}")
        return over

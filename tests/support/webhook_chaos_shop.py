"""The merchants of a chaos run: their endpoints, good and bad, and the events that happen to them at a steady rate."""

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tests.support.records import read_rows
from tests.support.waiting import wait_until

from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database, DatabaseUnavailableError
from gateway_common.events.model import Event, EventType, new_event
from gateway_common.events.store import insert_events
from gateway_common.ids import MERCHANT, PAYMENT, WEBHOOK_ENDPOINT, new_id
from gateway_common.merchants.store import save_merchant
from gateway_common.queue.ringer import Ringer
from gateway_common.webhooks.model import EndpointStatus, WebhookEndpoint, seal_context
from gateway_common.webhooks.signing import new_secret
from gateway_common.webhooks.store import insert_endpoint

MERCHANTS: Final = 25
KINDS: Final = ("fast",) * 9 + ("quick",) * 7 + ("flaky",) * 2 + ("slow", "dropping")
"""How the endpoints of ordinary merchants behave, a hundred in all; see webhook_chaos_sink.py."""
ORDINARY_WANTS: Final = (
    (EventType.PAYMENT_CREATED,),
    (EventType.PAYMENT_SUCCESS,),
    (EventType.REFUND_CREATED,),
    (EventType.PAYMENT_CREATED, EventType.ORDER_PAID),
)
# What the odd merchant's endpoints are called, how they behave, and what they alone want.
ODD: Final = {
    "paused": ("fast", EventType.PAYMENT_CREATED),
    "deleted": ("quick", EventType.PAYMENT_SUCCESS),
    "gone": ("gone", EventType.REFUND_FAILED),
    "limited": ("fast", EventType.PAYMENT_CAPTURED),
    "capped": ("quick", EventType.PAYMENT_EXPIRED),
    "broken": ("broken", EventType.PAYMENT_FAILED),
    "down": ("down", EventType.PAYMENT_CANCELLED),
    "told": ("fast", EventType.WEBHOOK_ENDPOINT_DISABLED),
}
ODD_SHARE: Final = 0.1
"""Of all events so many are the odd merchant's."""
HAPPENING: Final = tuple(event_type for _, event_type in ODD.values())[:-1]
"""The last of them is the gateway's own to tell."""
BROKEN_UNTIL: Final = 0.1
"""Then no more happens for the broken endpoint, so that all it is owed is exhausted when it is mended."""
BROKEN_SECONDS: Final = 10.0
BATCHES_PER_SECOND: Final = 20
OUTAGE_SECONDS_MOST: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """An endpoint of the run."""

    id: str
    merchant_id: str
    name: str
    path: str
    event_types: tuple[EventType, ...]
    max_in_flight: int | None = None
    rate_limit_per_second: int | None = None


@dataclass
class Shop:
    """Makes the merchants, and lets things happen to them. `wanted` is what the gateway has to deliver."""

    database: Database
    keyring: Keyring
    ringer: Ringer
    events: int
    per_second: float
    chance: random.Random
    shelves: list[Shelf] = field(default_factory=list)
    wanted: dict[tuple[str, str], str] = field(default_factory=dict)
    """For each event and endpoint the path at which it is to arrive, once the event is committed."""
    committed: int = 0
    under_way: int = 0
    """So many of the deliveries that are being committed may be there already."""
    seconds: float = 0.0

    @property
    def progress(self) -> float:
        return self.committed / self.events

    def shelf(self, name: str) -> Shelf:
        """The odd endpoint of that name."""
        return next(shelf for shelf in self.shelves if shelf.name == name)

    @property
    def certain(self) -> list[Shelf]:
        """All but the one that is deleted on the way: when exactly is nobody's to say."""
        return [shelf for shelf in self.shelves if shelf.name != "deleted"]

    async def open(self, sink_url: str) -> None:
        """Register everybody."""
        kinds = iter(self.chance.sample(KINDS * 5, MERCHANTS * len(ORDINARY_WANTS)))
        for number in range(MERCHANTS):
            merchant_id = await self._add_merchant()
            for wants in ORDINARY_WANTS:
                kind = next(kinds)
                path = f"/{kind}/{len(self.shelves)}"
                await self._add_endpoint(
                    sink_url,
                    Shelf(id="", merchant_id=merchant_id, name=f"{kind} {number}", path=path, event_types=wants),
                )
        merchant_id = await self._add_merchant()
        usual = self.per_second * ODD_SHARE / len(HAPPENING)
        limits: dict[str, dict[str, int]] = {
            "limited": {"rate_limit_per_second": max(2, round(usual * 1.2))},
            "capped": {"max_in_flight": 2},
        }
        for name, (kind, event_type) in ODD.items():
            values: dict[str, Any] = limits.get(name, {})
            path = f"/{kind}/{name}"
            await self._add_endpoint(
                sink_url,
                Shelf(id="", merchant_id=merchant_id, name=name, path=path, event_types=(event_type,), **values),
            )

    async def sell(self) -> None:
        """Let all the events happen, at the rate at which they are to happen."""
        started = time.monotonic()
        while self.committed < self.events:
            ahead = self.committed / self.per_second - (time.monotonic() - started)
            await asyncio.sleep(max(0.0, ahead))
            most = round(self.per_second / BATCHES_PER_SECOND) or 1
            await self._commit([self._event(started) for _ in range(min(most, self.events - self.committed))])
        self.seconds = time.monotonic() - started

    def _event(self, started: float) -> Event:
        odd = self.shelves[-1].merchant_id
        if self.chance.random() < ODD_SHARE:
            merchant_id, event_type = odd, self.chance.choice(HAPPENING)
            too_late = self.progress > BROKEN_UNTIL or time.monotonic() - started > BROKEN_SECONDS
            if event_type is EventType.PAYMENT_FAILED and too_late:
                event_type = EventType.PAYMENT_CREATED
        else:
            merchant_id = self.chance.choice(self.shelves[: -len(ODD)]).merchant_id
            event_type = self.chance.choice(self.chance.choice(ORDINARY_WANTS))
        now = system_clock()
        snapshot = {
            "object": "payment",
            "id": new_id(PAYMENT, now),
            "livemode": False,
            "description": f"₹ “{self.chance.randint(1, 10**6)}”",
        }
        return new_event(event_type, snapshot, merchant_id=merchant_id, now=now, traceparent=None)

    def wants(self, event: Event) -> list[Shelf]:
        return [
            shelf
            for shelf in self.certain
            if shelf.merchant_id == event.merchant_id and event.type in shelf.event_types
        ]

    async def _commit(self, events: Sequence[Event]) -> None:
        """As often as it takes. When PostgreSQL falls it may have committed and not said so."""
        wanted = {(event.id, shelf.id): shelf.path for event in events for shelf in self.wants(event)}
        self.under_way = len(wanted)
        await wait_until(lambda: self._are_stored(events), seconds=OUTAGE_SECONDS_MOST)
        self.wanted |= wanted
        self.committed += len(events)
        self.under_way = 0
        self.ringer.ring_webhooks()

    async def _are_stored(self, events: Sequence[Event]) -> bool:
        try:
            async with self.database.statement() as connection:
                await insert_events(connection, events)
        except DatabaseUnavailableError:
            return await self._were_stored(events[0])
        return True

    async def _were_stored(self, event: Event) -> bool:
        found: list[bool] = []

        async def is_known() -> bool:
            with contextlib.suppress(DatabaseUnavailableError):
                found.append(bool(await read_rows(self.database, "SELECT FROM events WHERE id = :id", id=event.id)))
            return bool(found)

        await wait_until(is_known, seconds=OUTAGE_SECONDS_MOST)
        return found[0]

    async def _add_merchant(self) -> str:
        now = system_clock()
        merchant_id = new_id(MERCHANT, now)
        async with self.database.statement() as connection:
            await save_merchant(connection, merchant_id, "Merchant of a chaos run", now)
        return merchant_id

    async def _add_endpoint(self, sink_url: str, shelf: Shelf) -> None:
        now = system_clock()
        endpoint_id = new_id(WEBHOOK_ENDPOINT, now)
        endpoint = WebhookEndpoint(
            id=endpoint_id,
            merchant_id=shelf.merchant_id,
            livemode=False,
            url=sink_url + shelf.path,
            description=None,
            event_types=list(shelf.event_types),
            status=EndpointStatus.ENABLED,
            sealed_secret=self.keyring.seal(new_secret().encode(), context=seal_context(endpoint_id)),
            max_in_flight=shelf.max_in_flight,
            rate_limit_per_second=shelf.rate_limit_per_second,
            auto_recover=shelf.name != "broken",
            created_at=now,
            updated_at=now,
        )
        async with self.database.statement() as connection:
            await insert_endpoint(connection, endpoint)
        self.shelves.append(replace(shelf, id=endpoint_id))

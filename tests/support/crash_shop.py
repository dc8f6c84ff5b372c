"""A merchant who sells all the time while processors die, and who knows how each payment must end."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.merchants import Merchant
from tests.support.records import read_rows, store_order
from tests.support.waiting import wait_until

from gateway_common.db.database import Database

LOOK_EVERY_SECONDS: Final = 0.1
CALLBACKS_SECONDS: Final = 60.0
_BOOKED: Final = ("payment.created", "payment.processing", "payment.success")
_CAPTURED: Final = (*_BOOKED, "payment.captured")
_CARD: Final = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2098, "cvc": "123"}
_AUTOMATIC: Final = {"method": "upi", "vpa": "test@upi", "capture_method": "automatic"}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What is bought and then done to it, and the one end it may come to: status, events, the simulator's account."""

    weight: int
    values: Mapping[str, Any]
    has_order: bool = False
    capture: int | None = None
    cancel: bool = False
    refunds: tuple[int, ...] = ()
    status: str = "success"
    events: tuple[str, ...]
    or_events: tuple[str, ...] = ()
    """Or these, if nobody lived to record what the provider said first."""
    is_late: bool = False
    """The provider says no, and later calls: it has changed its mind."""
    account: tuple[tuple[str, int], ...]

    @property
    def wants_more(self) -> bool:
        return self.cancel or self.is_late or self.capture is not None or bool(self.refunds)


_WHOLE: Final = (("authorize", 50_000), ("capture", 50_000))
KINDS: Final = {
    "authorized": Kind(
        weight=1, values={"method": "upi", "vpa": "test@upi"}, events=_BOOKED, account=(("authorize", 50_000),)
    ),
    "captured in part": Kind(
        weight=3,
        values={"method": "netbanking", "bank": "hdfc"},
        capture=30_000,
        events=_CAPTURED,
        account=(("authorize", 50_000), ("capture", 30_000)),
    ),
    "by card": Kind(
        weight=2,
        values={"method": "card", "card": _CARD, "capture_method": "automatic"},
        events=_CAPTURED,
        account=_WHOLE,
    ),
    "cancelled": Kind(
        weight=4,
        values={"method": "upi", "vpa": "test@upi"},
        cancel=True,
        status="cancelled",
        events=(*_BOOKED, "payment.cancelled"),
        account=(("authorize", 50_000), ("void", 50_000)),
    ),
    "refunded twice": Kind(
        weight=4,
        values=_AUTOMATIC,
        refunds=(10_000, 20_000),
        events=(*_CAPTURED, *("refund.created", "refund.processed") * 2),
        account=(*_WHOLE, ("refund", 10_000), ("refund", 20_000)),
    ),
    "refund refused": Kind(
        weight=1,
        values=_AUTOMATIC,
        refunds=(1_013,),
        events=(*_CAPTURED, "refund.created", "refund.failed"),
        account=(*_WHOLE, ("refund", 1_013)),
    ),
    "of an order": Kind(weight=4, values=_AUTOMATIC, has_order=True, events=(*_CAPTURED, "order.paid"), account=_WHOLE),
    "of an order, declined": Kind(
        weight=2,
        values=_AUTOMATIC | {"vpa": "failure@upi"},
        has_order=True,
        status="failed",
        events=("payment.created", "payment.processing", "payment.failed"),
        account=(("authorize", 50_000),),
    ),
    "never answered": Kind(weight=2, values=_AUTOMATIC | {"vpa": "timeout@upi"}, events=_CAPTURED, account=_WHOLE),
    "a late success": Kind(
        weight=3,
        values=_AUTOMATIC | {"vpa": "late@upi"},
        is_late=True,
        events=("payment.created", "payment.processing", "payment.failed", "payment.late_success", "payment.captured"),
        or_events=_CAPTURED,
        account=_WHOLE,
    ),
}


@dataclass
class Shop:
    """Keeps so many payments open. `sold` knows the kind of each."""

    database: Database
    merchant: Merchant
    chance: random.Random
    open_most: int
    sold: dict[str, str] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)
    _wanting: set[str] = field(default_factory=set)

    async def sell_until(self, closing: asyncio.Event) -> None:
        """Sell until it closes, then serve those who are still there until every payment rests."""
        while self._open or not closing.is_set():
            if not closing.is_set():
                while len(self._open) < self.open_most:
                    await self._sell()
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            await self._look()

    async def hear_all_callbacks(self) -> None:
        """Wait until the simulator has called about everything, and all of it is handled."""
        query = """
        SELECT FROM simulator_operations WHERE callback_at IS NOT NULL
        UNION ALL SELECT FROM provider_callbacks WHERE handled_at IS NULL
        """

        async def all_handled() -> bool:
            return not await read_rows(self.database, query)

        await wait_until(all_handled, seconds=CALLBACKS_SECONDS)

    async def _sell(self) -> None:
        name = self.chance.choices(list(KINDS), [kind.weight for kind in KINDS.values()])[0]
        kind = KINDS[name]
        order = {"order_id": (await store_order(self.database)).id} if kind.has_order else {}
        payment_id = await self.merchant.create_by(**kind.values, **order)
        self.sold[payment_id] = name
        self._open.add(payment_id)
        if kind.wants_more:
            self._wanting.add(payment_id)

    async def _look(self) -> None:
        query = """
        SELECT id, status, worker_id IS NULL AND (due_at IS NULL OR due_at > now() + interval '1 hour') AS rests
        FROM payments WHERE id = ANY (:ids)
        """
        for row in await read_rows(self.database, query, ids=list(self._open)):
            if row["id"] not in self._wanting:
                self._open -= {row["id"]} if row["rests"] else set()
            elif row["status"] == "success":
                self._wanting.remove(row["id"])
                await self._want_more(row["id"], KINDS[self.sold[row["id"]]])

    async def _want_more(self, payment_id: str, kind: Kind) -> None:
        if kind.cancel:
            await self.merchant.cancel(payment_id)
        if kind.capture is not None:
            await self.merchant.capture(payment_id, kind.capture)
        for amount in kind.refunds:
            await self.merchant.refund(payment_id, amount)

    @property
    def count_open(self) -> int:
        return len(self._open)

    async def wrong_ends(self) -> list[str]:
        """The payments that did not end as they must: their state, their events, or what the simulator did for them."""
        payments = {
            row["id"]: row["status"] for row in await read_rows(self.database, "SELECT id, status FROM payments")
        }
        events = await self._lists("""
            SELECT coalesce(refund.payment_id, payment.id, events.object_id) AS id, events.type AS value
            FROM events
            LEFT JOIN refunds AS refund ON refund.id = events.object_id
            LEFT JOIN payments AS payment ON payment.bound_order_id = events.object_id
        """)
        account = await self._lists("""
            SELECT payment_id AS id, (kind, amount_minor)::text AS value FROM simulator_operations
        """)
        wrong = []
        for payment_id, name in self.sold.items():
            kind = KINDS[name]
            lines = sorted(f"({what},{amount})" for what, amount in kind.account)
            found = (payments.get(payment_id), sorted(events[payment_id]), sorted(account[payment_id]))
            if found not in [(kind.status, sorted(each), lines) for each in (kind.events, kind.or_events) if each]:
                wrong.append(f"{payment_id}, {name}: {found}")
        return wrong

    async def _lists(self, query: str) -> Mapping[str, list[str]]:
        lists: dict[str, list[str]] = {payment_id: [] for payment_id in self.sold}
        for row in await read_rows(self.database, query):
            lists.setdefault(row["id"], []).append(row["value"])
        return lists

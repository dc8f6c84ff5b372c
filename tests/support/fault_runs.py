"""A run of many payments through all operations with a provider that fails by a plan, and what became of each case."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from tests.support.databases import MASTER_KEY, cloned_database, service_url
from tests.support.doorbell import bell
from tests.support.merchants import Merchant
from tests.support.processing import new_processor
from tests.support.records import number_all_events, read_audit, read_rows, write_rows

from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database, DatabaseUnavailableError
from gateway_common.queue.messages import WEBHOOKS_STREAM
from gateway_common.queue.ringer import Ringer
from gateway_common.settings import normalize_database_url
from gateway_common.simulator.model import CASE, SimulatorPlan
from gateway_processor.callbacks import CallbackHandler
from gateway_processor.providers.simulator import Simulator
from gateway_processor.providers.simulator_callbacks import SimulatorCallbacks

PROVIDER_TIMEOUT_SECONDS: Final = 1.0
PROCESSED_AT_ONCE: Final = 60
DECIDED_AT_ONCE: Final = 10
CARD: Final = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2090, "cvc": "123", "name": "Asha"}
# How a case is paid, in turns. Half of them are the plain one, so that faults show.
PAID_BY: Final[tuple[dict[str, Any], ...]] = (
    {"method": "upi", "vpa": "asha@upi"},
    {"method": "card", "card": CARD},
    {"method": "upi", "upi": {"flow": "intent"}},
    {"method": "upi", "vpa": "asha@upi", "capture_method": "automatic"},
    {"method": "upi", "upi": {"flow": "qr"}, "capture_method": "automatic"},
    {"method": "upi", "vpa": "asha@upi"},
    {"method": "upi", "vpa": "late@upi"},
    {"method": "upi", "vpa": "asha@upi"},
    {"method": "upi", "vpa": "timeout@upi"},
    {"method": "upi", "vpa": "expired@upi"},
    {"method": "upi", "vpa": "failure@upi"},
)
_WORK_LEFT: Final = """
SELECT
    (SELECT count(*) FROM payments WHERE due_at < now() + interval '1 hour')
    + (SELECT count(*) FROM provider_callbacks WHERE due_at IS NOT NULL)
    + (SELECT count(*) FROM simulator_operations
       WHERE callback_at IS NOT NULL OR (next_outcome IS NOT NULL AND next_at IS NULL)) AS left
"""


@dataclass(frozen=True)
class FaultRun:
    """What a run came to: by case the payment's state and its events, and what was counted."""

    cases: dict[str, tuple[dict[str, Any], list[Any]]]
    answers: Counter[str]
    """Provider answers by operation and outcome."""
    account: dict[str, int]
    """The simulator's own account: lines, requests it was asked, requests it took up."""
    callbacks: int
    audit: list[str]


async def run_with_faults(template_url: str, redis_url: str, plan: SimulatorPlan, *, cases: int) -> FaultRun:
    """Take so many cases through authorization, capture or void, and refunds, in a database of the run's own."""
    async with _running(template_url, redis_url, plan) as run:
        by_case = await run.create(cases)
        await run.settle()
        authorized = await run.find("status = 'success'")
        numbers = {payment_id: number for number, payment_id in enumerate(by_case.values())}
        await _each(authorized, lambda payment_id: run.capture_or_cancel(payment_id, numbers[payment_id]))
        await run.settle()
        for amount in (1_000, 513):
            captured = await run.find("capture_status = 'completed'")
            await _each(captured, partial(run.refund, amount))
        await run.settle()
        return await run.read(by_case)


class _Run:
    def __init__(self, databases: list[Database], ringer: Ringer, plan: SimulatorPlan) -> None:
        self.database = databases[0]
        self.merchant = Merchant(self.database, Keyring(MASTER_KEY), ringer)
        self._processors = [
            new_processor(
                database,
                ringer,
                Simulator(database, plan),
                worker_id=f"wrk_{number}",
                provider_timeout_seconds=PROVIDER_TIMEOUT_SECONDS,
            )
            for number, database in enumerate(databases)
        ]
        self._calling = SimulatorCallbacks(self.database, ringer, system_clock)
        self._called = CallbackHandler(self.database, ringer, system_clock)

    async def create(self, cases: int) -> dict[str, str]:
        """The payments' ids by their cases."""
        names = [f"case {number}" for number in range(cases)]
        paid_by = [PAID_BY[number % len(PAID_BY)] for number in range(cases)]
        ids = await asyncio.gather(
            *(self.merchant.create_by(metadata={CASE: name}, **how) for name, how in zip(names, paid_by, strict=True))
        )
        return dict(zip(names, ids, strict=True))

    async def settle(self) -> None:
        """Work until nothing is left to do, both processors at every payment; no due time is waited for."""

        async def process(payment_id: str) -> None:
            # As the workers' task does: what a database under load refuses stays due.
            with suppress(DatabaseUnavailableError):
                await asyncio.gather(*(processor.process(payment_id) for processor in self._processors))

        while (await read_rows(self.database, _WORK_LEFT))[0]["left"]:
            await self._calling.send()
            await write_rows(self.database, "UPDATE provider_callbacks SET due_at = now() WHERE due_at IS NOT NULL")
            await self._called.handle()
            hurry = "UPDATE payments SET due_at = now() WHERE due_at < now() + interval '1 hour'"
            await write_rows(self.database, hurry)
            await _each(await self.find("due_at <= now()"), process, at_once=PROCESSED_AT_ONCE)

    async def find(self, condition: str) -> list[str]:
        return [row["id"] for row in await read_rows(self.database, f"SELECT id FROM payments WHERE {condition}")]

    async def capture_or_cancel(self, payment_id: str, number: int) -> None:
        """Half of the authorized payments are captured, some of them in part; the others are left or given back."""
        [row] = await read_rows(self.database, "SELECT capture_status FROM payments WHERE id = :id", id=payment_id)
        if row["capture_status"] is not None or number % 5 == 0:
            return
        if number % 5 == 1:
            await self.merchant.cancel(payment_id)
        else:
            await self.merchant.capture(payment_id, 30_000 if number % 5 == 2 else None)

    async def refund(self, amount: int, payment_id: str) -> None:
        await self.merchant.refund(payment_id, amount)

    async def read(self, by_case: dict[str, str]) -> FaultRun:
        await number_all_events(self.database)
        cases = {}
        for case, payment_id in by_case.items():
            cases[case] = (await self._state(payment_id), [_told(*event) for event in await self._events(payment_id)])
        answers = await read_rows(
            self.database,
            "SELECT operation || ' ' || outcome AS name, count(*) AS count FROM provider_answers GROUP BY 1",
        )
        [account] = await read_rows(
            self.database,
            """
            SELECT count(*) AS lines, sum(requests) AS requests, sum(asked) AS asked, max(requests) AS most,
                count(DISTINCT key) FILTER (WHERE kind = 'authorize') AS authorizations
            FROM simulator_operations
            """,
        )
        [callbacks] = await read_rows(self.database, "SELECT count(*) AS count FROM provider_callbacks")
        return FaultRun(
            cases,
            Counter({row["name"]: row["count"] for row in answers}),
            account,
            callbacks["count"],
            await read_audit(self.database),
        )

    async def _state(self, payment_id: str) -> dict[str, Any]:
        [state] = await read_rows(
            self.database,
            """
            SELECT status, error_code, capture_status, void_status, amount_captured_minor, amount_refunded_minor,
                needs_attention, next_action, has_news,
                (SELECT array_agg(status || ' ' || amount_minor ORDER BY amount_minor) FROM refunds
                 WHERE payment_id = payments.id) AS refunds
            FROM payments WHERE id = :id
            """,
            id=payment_id,
        )
        return state

    async def _events(self, payment_id: str) -> list[tuple[str, dict[str, Any]]]:
        """What a receiver is told of the payment and its refunds, in the order of the events' numbers."""
        query = """
        SELECT type, convert_from(body, 'UTF8') AS body FROM events
        WHERE object_id = :id OR object_id IN (SELECT id FROM refunds WHERE payment_id = :id)
        ORDER BY sequence
        """
        rows = await read_rows(self.database, query, id=payment_id)
        return [(row["type"], next(iter(json.loads(row["body"])["data"].values()))) for row in rows]


def _told(event_type: str, snapshot: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The event without what differs between runs: ids, times, and how many looks at the provider it took."""
    fixed = {"id", "payment_id", "created_at", "updated_at", "version", "next_action"}
    return event_type, {name: value for name, value in snapshot.items() if name not in fixed}


async def _each(ids: Iterable[str], act: Callable[[str], Awaitable[object]], *, at_once: int = DECIDED_AT_ONCE) -> None:
    free = asyncio.Semaphore(at_once)

    async def act_on(each: str) -> None:
        async with free:
            await act(each)

    await asyncio.gather(*(act_on(each) for each in ids))


@asynccontextmanager
async def _running(template_url: str, redis_url: str, plan: SimulatorPlan) -> AsyncIterator[_Run]:
    with cloned_database(template_url) as owner_url:
        url = normalize_database_url(service_url(owner_url))
        databases = [Database(url, application_name="test-faults", pool_size=8) for _ in range(2)]
        async with bell(redis_url) as payments, bell(redis_url, WEBHOOKS_STREAM) as webhooks:
            yield _Run(databases, Ringer(payments, webhooks), plan)
        for database in databases:
            await database.close()

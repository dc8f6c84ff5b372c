"""What the rows say, read past the stores; and what a test does to rows by hand: put some there, let time pass."""

import json
from typing import Any

from sqlalchemy import text
from tests.support.examples import NOW, example_order, example_payment

from gateway_common.audit.store import audit
from gateway_common.db.database import Database
from gateway_common.events.model import Event, EventType, new_event
from gateway_common.events.sequence_store import number_events
from gateway_common.ids import ORDER, PAYMENT, new_id
from gateway_common.orders.model import Order
from gateway_common.orders.store import insert_order, lock_order
from gateway_common.payments.create_store import NewPayment, insert_payments
from gateway_common.payments.model import Payment, payment_snapshot
from gateway_common.payments.queue_store import free_payment_leases
from gateway_common.payments.store import find_payments

LEASE_LIMIT_SECONDS = 35.0


async def read_rows(database: Database, query: str, **parameters: Any) -> list[dict[str, Any]]:
    async with database.statement() as connection:
        return [dict(row) for row in (await connection.execute(text(query), parameters)).mappings()]


async def write_rows(database: Database, statement: str, **parameters: Any) -> int:
    """Run a statement by hand; how many rows it touched."""
    async with database.statement() as connection:
        return (await connection.execute(text(statement), parameters)).rowcount


def created_event(payment: Payment, event_type: EventType = EventType.PAYMENT_CREATED) -> Event:
    """Make the event of a payment as it is now."""
    snapshot = payment_snapshot(payment)
    return new_event(event_type, snapshot, merchant_id=payment.merchant_id, now=NOW, traceparent=payment.traceparent)


async def store_payments(database: Database, count: int = 1, **changes: Any) -> list[Payment]:
    """Insert example payments with ids of their own, as the API does."""
    payments = [example_payment(**({"id": new_id(PAYMENT, NOW)} | changes)) for _ in range(count)]
    async with database.statement() as connection:
        batch = [NewPayment(payment, created_event(payment), None) for payment in payments]
        await insert_payments(connection, batch)
    return payments


async def store_order(database: Database, **changes: Any) -> Order:
    """Insert an example order with an id of its own."""
    order = example_order(**({"id": new_id(ORDER, NOW)} | changes))
    async with database.statement() as connection:
        assert await insert_order(connection, order), "its reference is another order's"
    return order


async def read_order(database: Database, order_id: str) -> Order:
    async with database.transaction() as connection:
        return await lock_order(connection, order_id)


async def read_payment(database: Database, payment_id: str) -> Payment:
    async with database.statement() as connection:
        return (await find_payments(connection, [payment_id]))[payment_id]


async def read_lease(database: Database, payment_id: str) -> dict[str, Any]:
    """Who holds the payment, and in how many seconds it is due (None: it rests)."""
    query = """
    SELECT worker_id, leased_at, rung_at, attempt, extract(epoch FROM due_at - now())::float AS due_in_seconds
    FROM payments WHERE id = :id
    """
    [row] = await read_rows(database, query, id=payment_id)
    return row


async def read_refunds(database: Database, payment_id: str) -> list[tuple[str, int]]:
    """Status and amount of the payment's refunds, in order."""
    query = "SELECT status, amount_minor FROM refunds WHERE payment_id = :id ORDER BY id"
    return [(row["status"], row["amount_minor"]) for row in await read_rows(database, query, id=payment_id)]


async def read_events(database: Database, payment_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Type and snapshot of the events of a payment and its refunds, in order."""
    query = """
    SELECT type, convert_from(body, 'UTF8') AS body FROM events
    WHERE object_id = :id OR object_id IN (SELECT id FROM refunds WHERE payment_id = :id)
    ORDER BY created_at, id
    """
    rows = await read_rows(database, query, id=payment_id)
    return [(row["type"], next(iter(json.loads(row["body"])["data"].values()))) for row in rows]


async def read_event_types(database: Database, payment_id: str) -> list[str]:
    """Types of the events of a payment and its refunds, sorted: their times may be equal."""
    return sorted(event_type for event_type, _ in await read_events(database, payment_id))


async def read_answers(database: Database, payment_id: str) -> list[tuple[int, str, str, str | None]]:
    """What providers said of the payment: under which lease, to what, how it ended, and its code."""
    query = "SELECT attempt, operation, outcome, code FROM provider_answers WHERE payment_id = :id ORDER BY attempt"
    rows = await read_rows(database, query, id=payment_id)
    return [(row["attempt"], row["operation"], row["outcome"], row["code"]) for row in rows]


async def read_balances(database: Database) -> dict[str, int]:
    """The balances of all accounts that are not empty, of all merchants and currencies together."""
    query = """
    SELECT account, sum(amount_minor)::bigint AS amount FROM ledger_balances
    GROUP BY account HAVING sum(amount_minor) <> 0
    """
    return {row["account"]: row["amount"] for row in await read_rows(database, query)}


async def read_simulator_requests(database: Database, payment_id: str) -> dict[str, int]:
    """How often the simulator was asked for each kind of operation, by its own account."""
    query = """
    SELECT kind || CASE WHEN count(*) OVER (PARTITION BY kind) > 1 THEN ' ' || key ELSE '' END AS kind, requests
    FROM simulator_operations WHERE payment_id = :id
    """
    return {row["kind"]: row["requests"] for row in await read_rows(database, query, id=payment_id)}


async def free_leases(database: Database) -> int:
    """Free what silent workers hold, as every sweeper does; a worker that never registered is silent."""
    async with database.statement() as connection:
        return await free_payment_leases(connection, lease_limit_seconds=LEASE_LIMIT_SECONDS)


async def make_due(database: Database, payment_id: str) -> None:
    """Let the time until the payment's next check pass."""
    await write_rows(
        database, "UPDATE payments SET due_at = now() WHERE id = :id AND due_at IS NOT NULL", id=payment_id
    )


async def number_all_events(database: Database, *, at_once: int = 1000) -> None:
    """Give every event its number, as the dispatcher does."""
    numbered = 1
    while numbered:
        async with database.transaction() as connection:
            numbered = await number_events(connection, most=at_once)


async def read_audit(database: Database) -> list[str]:
    """What the audit finds wrong anywhere in the database."""
    async with database.snapshot(timeout_seconds=60) as connection:
        report = await audit(connection, since=None, lease_limit_seconds=LEASE_LIMIT_SECONDS)
    return [f"{found.check} {found.subject}: {found.detail}" for broken in report.broken for found in broken.findings]

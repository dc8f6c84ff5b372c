"""Every SQL statement of payments as work: leases, rings, what is due. All times here are the database's."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import TextClause, text

from gateway_common.db.database import Connection
from gateway_common.payments.store import PaymentChange, change_parameters, change_statement
from gateway_common.workers.store import LEASE_IS_FREE


@dataclass(frozen=True, slots=True)
class Saved:
    """Whether a change was written (False: somebody else was first), and the deliveries its batch brought."""

    applied: bool
    deliveries: int


@dataclass(frozen=True, slots=True)
class DuePayment:
    id: str
    traceparent: str | None


# A claim leaves due_at as it is: how late the work was is read from it.
_CLAIM = text(
    change_statement(
        lease="worker_id = input.worker_id, leased_at = now()",
        condition="payments.worker_id IS NULL AND payments.due_at <= now()",
        is_claim=True,
    )
)
_RECORD = text(
    change_statement(
        lease="""worker_id = NULL, leased_at = NULL, rung_at = NULL,
        due_at = now() + make_interval(secs => input.due_in_seconds)"""
    )
)
_RING_DUE = text("""
WITH due AS (
    SELECT id FROM payments
    WHERE worker_id IS NULL AND due_at <= now()
        AND (rung_at IS NULL OR rung_at < now() - make_interval(secs => :again_after_seconds))
    ORDER BY due_at
    LIMIT :most
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE payments SET rung_at = now() FROM due WHERE payments.id = due.id
RETURNING payments.id, payments.traceparent
""")
_FREE = text(f"""
WITH free AS (
    SELECT id FROM payments
    WHERE worker_id IS NOT NULL AND ({LEASE_IS_FREE})
    ORDER BY id
    LIMIT :most
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE payments SET worker_id = NULL, leased_at = NULL, rung_at = NULL FROM free WHERE payments.id = free.id
""")
_RELEASE = text("""
WITH mine AS (SELECT id FROM payments WHERE worker_id = :worker_id ORDER BY id FOR NO KEY UPDATE)
UPDATE payments SET worker_id = NULL, leased_at = NULL, rung_at = NULL FROM mine WHERE payments.id = mine.id
""")
_MEASURE_DUE = text("""
SELECT count(*) AS due_count, coalesce(extract(epoch FROM now() - min(due_at)), 0) AS oldest_seconds
FROM (
    SELECT due_at FROM payments WHERE worker_id IS NULL AND due_at <= now() ORDER BY due_at LIMIT 100000
) AS due
""")
_MEASURE_ATTENTION = text("""
SELECT count(*) FROM (SELECT FROM payments WHERE needs_attention LIMIT 100000) AS needing
""")


async def claim_payments(connection: Connection, changes: Sequence[PaymentChange]) -> list[Saved]:
    """Take the leases of due payments that nobody holds, one statement for all of them."""
    return await _save(connection, _CLAIM, changes, is_claim=True)


async def record_payments(connection: Connection, changes: Sequence[PaymentChange]) -> list[Saved]:
    """Write outcomes and give the leases back. Guarded by the attempt, so a lease that was lost writes nothing."""
    return await _save(connection, _RECORD, changes)


async def _save(
    connection: Connection, statement: TextClause, changes: Sequence[PaymentChange], *, is_claim: bool = False
) -> list[Saved]:
    chosen = _one_each(changes)
    result = await connection.execute(statement, change_parameters(list(chosen.values()), is_claim=is_claim))
    deliveries = {row.id: row.deliveries for row in result}
    return [
        Saved(applied=True, deliveries=deliveries[change.after.id])
        if change.after.id in deliveries and change is chosen[change.after.id]
        else Saved(applied=False, deliveries=0)
        for change in changes
    ]


def _one_each(changes: Sequence[PaymentChange]) -> dict[str, PaymentChange]:
    """One change per payment, for the statement could not tell two apart: the freshest, of equals the first.

    Two rings of one payment that are heard together make two claims; only one of them may win.
    """
    chosen: dict[str, PaymentChange] = {}
    for change in changes:
        other = chosen.setdefault(change.after.id, change)
        if (change.before.attempt, change.before.version) > (other.before.attempt, other.before.version):
            chosen[change.after.id] = change
    return chosen


async def ring_due_payments(connection: Connection, *, most: int, again_after_seconds: float) -> list[DuePayment]:
    """Due payments to ring for, marked as rung. Rows that other sweepers look at are passed over."""
    parameters = {"most": most, "again_after_seconds": again_after_seconds}
    return [DuePayment(row.id, row.traceparent) for row in await connection.execute(_RING_DUE, parameters)]


async def free_payment_leases(connection: Connection, *, lease_limit_seconds: float, most: int = 1000) -> int:
    """Free the leases of silent workers and of forgotten jobs; how many there were."""
    parameters = {
        "grace_seconds": 0,
        "lease_limit_seconds": lease_limit_seconds,
        "most": most,
    }
    return (await connection.execute(_FREE, parameters)).rowcount


async def release_payment_leases(connection: Connection, worker_id: str) -> int:
    """Give back what a stopping worker still holds; how many there were."""
    return (await connection.execute(_RELEASE, {"worker_id": worker_id})).rowcount


async def measure_due_payments(connection: Connection) -> tuple[int, float]:
    """How many payments are due and unheld, and for how many seconds the oldest is. Counts to 100,000 at most."""
    row = (await connection.execute(_MEASURE_DUE)).one()
    return row.due_count, float(row.oldest_seconds)


async def measure_payments_needing_attention(connection: Connection) -> int:
    """How many payments need a person. Counts to 100,000 at most."""
    count: int = (await connection.execute(_MEASURE_ATTENTION)).scalar_one()
    return count

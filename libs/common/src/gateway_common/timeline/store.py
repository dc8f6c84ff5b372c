"""Every SQL statement of the timeline: it reads what the other nouns have written of one payment."""

from typing import Any, Final

from sqlalchemy import Row, TextClause, text

from gateway_common.db.database import Connection
from gateway_common.timeline.model import (
    EntryKind,
    TimelineEntry,
    Work,
    summarize_answer,
    summarize_attempt,
    summarize_entry,
)
from gateway_common.timeline.webhooks import WaitingDelivery
from gateway_common.webhooks.model import DeliveryStatus, DisabledReason, EndpointStatus

SOURCE_MOST: Final = 500
"""So many entries of each kind at most; a payment has about twenty in all."""

# The payment, its refunds and its order: whatever has events that belong to its story. Of an order only what happened
# to it by this payment.
_SUBJECTS: Final = """
subject AS (
    SELECT CAST(:payment_id AS text) AS id
    UNION ALL
    SELECT id FROM refunds WHERE payment_id = :payment_id
),
story AS (
    SELECT id, type, object_id, sequence, position, created_at
    FROM events WHERE object_id IN (SELECT id FROM subject)
    UNION ALL
    SELECT id, type, object_id, sequence, position, created_at FROM events
    WHERE object_id = :order_id
        AND convert_from(body, 'UTF8')::jsonb -> 'data' -> 'order' ->> 'payment_id' = :payment_id
)
"""
# An order is paid in the millisecond of its payment's success: of one moment the position says what was recorded first.
_EVENTS = text(f"WITH {_SUBJECTS} SELECT * FROM story ORDER BY created_at, position NULLS FIRST, id LIMIT :most")
_ANSWERS = text("""
SELECT attempt, refund_id, provider, operation, outcome, code, message, asked_at, answered_at
FROM provider_answers WHERE payment_id = :payment_id
ORDER BY attempt LIMIT :most
""")
_ENTRIES = text("""
SELECT id, transaction_id, kind, account, currency, amount_minor, created_at
FROM ledger_entries WHERE payment_id = :payment_id
ORDER BY id LIMIT :most
""")
# A delivery's id begins with the time of its event: by it the primary key finds an event's few deliveries.
_DELIVERIES: Final = f"""
WITH {_SUBJECTS},
delivery AS (
    SELECT delivery.*, story.type AS event_type, story.created_at AS happened_at
    FROM story
    JOIN webhook_deliveries AS delivery
        ON delivery.id >= 'dlv_' || substr(story.id, 5, 12) AND delivery.id < 'dlv_' || substr(story.id, 5, 12) || 'g'
        AND delivery.event_id = story.id
)
"""
_ATTEMPTS = text(f"""
{_DELIVERIES}
SELECT
    attempt.delivery_id, attempt.number, attempt.started_at, attempt.duration_ms, attempt.response_status,
    attempt.error, delivery.endpoint_id, delivery.event_type, delivery.event_id
FROM delivery JOIN webhook_attempts AS attempt
    ON attempt.delivery_id = delivery.id
    -- Only the months in which it can have been: the twelve to come are not asked. Clocks may differ.
    AND attempt.started_at >= delivery.happened_at - interval '1 hour'
    AND attempt.started_at < now() + interval '1 hour'
ORDER BY attempt.started_at LIMIT :most
""")
_WAITING = text(f"""
{_DELIVERIES}
SELECT
    delivery.id AS delivery_id, delivery.endpoint_id, delivery.event_type, delivery.status, delivery.attempts,
    delivery.due_at, delivery.worker_id IS NOT NULL AS is_leased, endpoint.status AS endpoint_status,
    endpoint.disabled_reason, health.blocked_until, now() AS asked_at
FROM delivery
JOIN webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
LEFT JOIN webhook_endpoint_health AS health ON health.endpoint_id = delivery.endpoint_id
WHERE delivery.status IN ('pending', 'held')
ORDER BY delivery.due_at NULLS LAST, delivery.id LIMIT :most
""")
_WORK = text("SELECT due_at, leased_at FROM payments WHERE id = :payment_id")


async def list_timeline(
    connection: Connection, payment_id: str, *, bound_order_id: str | None
) -> tuple[list[TimelineEntry], bool]:
    """What happened to the payment, in no order, and whether there is more than is listed of some kind."""
    entries: list[TimelineEntry] = []
    has_more = False
    for statement, entry in ((_EVENTS, _event), (_ANSWERS, _answer), (_ENTRIES, _ledger_entry), (_ATTEMPTS, _attempt)):
        rows = await _read(connection, statement, payment_id, bound_order_id)
        has_more |= len(rows) > SOURCE_MOST
        entries += [entry(row) for row in rows[:SOURCE_MOST]]
    return entries, has_more


async def list_waiting_deliveries(
    connection: Connection, payment_id: str, *, bound_order_id: str | None
) -> list[WaitingDelivery]:
    """The webhooks of the payment's story that have not arrived, those due first first, those held last."""
    rows = await _read(connection, _WAITING, payment_id, bound_order_id)
    return [_waiting(row) for row in rows[:SOURCE_MOST]]


async def find_work(connection: Connection, payment_id: str) -> Work:
    """When the payment is next due, and since when a processor has it."""
    return Work(**(await connection.execute(_WORK, {"payment_id": payment_id})).one()._asdict())


async def _read(
    connection: Connection, statement: TextClause, payment_id: str, order_id: str | None
) -> list[Row[tuple[object, ...]]]:
    # What a statement does not ask for is left out of it.
    parameters = {"payment_id": payment_id, "order_id": order_id, "most": SOURCE_MOST + 1}
    return list(await connection.execute(statement, parameters))


def _event(row: Row[tuple[object, ...]]) -> TimelineEntry:
    details = {"event_id": row.id, "type": row.type, "object_id": row.object_id, "sequence": row.sequence}
    return TimelineEntry(at=row.created_at, kind=EntryKind.EVENT, summary=row.type, details=details)


def _answer(row: Row[tuple[object, ...]]) -> TimelineEntry:
    return TimelineEntry(
        at=row.answered_at,
        kind=EntryKind.PROVIDER_ANSWER,
        summary=summarize_answer(row.provider, row.operation, row.outcome, reason=row.code or row.message),
        details={
            "provider": row.provider,
            "operation": row.operation,
            "outcome": row.outcome,
            "code": row.code,
            "message": row.message,
            "attempt": row.attempt,
            "refund_id": row.refund_id,
            "milliseconds": round((row.answered_at - row.asked_at).total_seconds() * 1000),
        },
    )


def _ledger_entry(row: Row[tuple[object, ...]]) -> TimelineEntry:
    return TimelineEntry(
        at=row.created_at,
        kind=EntryKind.LEDGER_ENTRY,
        summary=summarize_entry(row.account, row.amount_minor, row.currency, kind=row.kind),
        details={
            "entry_id": row.id,
            "transaction_id": row.transaction_id,
            "account": row.account,
            "amount": row.amount_minor,
            "currency": row.currency,
        },
    )


def _attempt(row: Row[tuple[object, ...]]) -> TimelineEntry:
    return TimelineEntry(
        at=row.started_at,
        kind=EntryKind.WEBHOOK_ATTEMPT,
        summary=summarize_attempt(
            row.event_type, row.endpoint_id, row.number, result=row.error or f"answered {row.response_status}"
        ),
        details={
            "delivery_id": row.delivery_id,
            "endpoint_id": row.endpoint_id,
            "event_id": row.event_id,
            "number": row.number,
            "response_status": row.response_status,
            "error": row.error,
            "milliseconds": row.duration_ms,
        },
    )


def _waiting(row: Row[Any]) -> WaitingDelivery:
    values = row._asdict()
    values["status"] = DeliveryStatus(values["status"])
    values["endpoint_status"] = EndpointStatus(values["endpoint_status"])
    values["disabled_reason"] = values["disabled_reason"] and DisabledReason(values["disabled_reason"])
    return WaitingDelivery(**values)

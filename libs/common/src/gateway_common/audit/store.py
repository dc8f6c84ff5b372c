"""Every SQL statement of the audit: one per check, yielding the id of each row that breaks it and how it does.

They only read. Run them in one `Database.snapshot`, so that all of them see the same moment.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import TextClause, text

from gateway_common.audit.model import (
    CHECKS,
    FINDINGS_MOST,
    Check,
    CheckResult,
    Finding,
    Report,
    kept_parameters,
    window_parameters,
)
from gateway_common.audit.webhooks_store import WEBHOOK_QUESTIONS
from gateway_common.db.database import Connection
from gateway_common.workers.store import LEASE_IS_FREE

GRACE_SECONDS: Final = 60.0
"""A lease that is free for so long was seen by no sweeper."""

_LEDGER_UNBALANCED: Final = """
SELECT transaction_id AS subject, format('its %s entries sum to %s', currency, sum(amount_minor)) AS detail
FROM ledger_entries
WHERE id >= :entries_from
GROUP BY transaction_id, currency
HAVING sum(amount_minor) <> 0
"""
# In a window there is no sum to compare with; that a merchant's balances sum to zero is cheap to ask.
_LEDGER_BALANCE_WRONG: Final = """
SELECT
    merchant_id AS subject,
    format(
        '%s, %s %s: the balance is %s, the entries sum to %s', CASE WHEN livemode THEN 'live' ELSE 'test' END,
        account, currency, coalesce(balance.amount_minor, 0), coalesce(entry.amount_minor, 0)
    ) AS detail
FROM ledger_balances AS balance
FULL JOIN (
    SELECT merchant_id, livemode, account, currency, sum(amount_minor) AS amount_minor
    FROM ledger_entries
    WHERE :everything
    GROUP BY merchant_id, livemode, account, currency
) AS entry USING (merchant_id, livemode, account, currency)
WHERE :everything AND coalesce(balance.amount_minor, 0) <> coalesce(entry.amount_minor, 0)
UNION ALL
SELECT
    merchant_id,
    format(
        '%s, %s: the balances sum to %s', CASE WHEN livemode THEN 'live' ELSE 'test' END, currency, sum(amount_minor)
    )
FROM ledger_balances
WHERE NOT :everything
GROUP BY merchant_id, livemode, currency
HAVING sum(amount_minor) <> 0
"""
_CAPTURE_NOT_BOOKED: Final = r"""
SELECT
    payment.id AS subject,
    format(
        'captured %s %s, but %s books %s on provider_clearing', payment.amount_captured_minor, payment.currency,
        wanted.transaction_id, coalesce(entry.amount_minor || ' ' || entry.currency, 'nothing')
    ) AS detail
FROM payments AS payment
CROSS JOIN LATERAL (SELECT payment.id || '\:capture\:' || payment.capture_number AS transaction_id) AS wanted
LEFT JOIN ledger_entries AS entry
    ON entry.transaction_id = wanted.transaction_id AND entry.account = 'provider_clearing'
WHERE payment.id >= :payments_from AND payment.capture_status = 'completed'
    AND (entry.merchant_id, entry.livemode, entry.amount_minor, entry.currency) IS DISTINCT FROM
        (payment.merchant_id, payment.livemode, -payment.amount_captured_minor, payment.currency)
UNION ALL
SELECT payment.id, format('%s is booked, but the payment has no completed capture of that number', transaction_id)
FROM ledger_entries AS entry
JOIN payments AS payment ON payment.id = entry.payment_id
WHERE entry.id >= :entries_from AND entry.kind = 'capture' AND entry.account = 'provider_clearing'
    AND (
        payment.capture_status IS DISTINCT FROM 'completed'
        OR entry.transaction_id <> payment.id || '\:capture\:' || payment.capture_number
    )
"""
_REFUND_NOT_BOOKED: Final = r"""
SELECT
    refund.id AS subject,
    format(
        '%s, but %s books %s on refund_hold, not %s', refund.status, wanted.transaction_id,
        coalesce(entry.amount_minor || ' ' || entry.currency, 'nothing'),
        coalesce(wanted.amount_minor || ' ' || refund.currency, 'nothing')
    ) AS detail
FROM refunds AS refund
CROSS JOIN LATERAL (
    VALUES
        (refund.id || '\:hold', refund.amount_minor),
        (refund.id || '\:processed', CASE WHEN refund.status = 'processed' THEN -refund.amount_minor END),
        (refund.id || '\:released', CASE WHEN refund.status = 'failed' THEN -refund.amount_minor END)
) AS wanted (transaction_id, amount_minor)
LEFT JOIN ledger_entries AS entry
    ON entry.transaction_id = wanted.transaction_id AND entry.account = 'refund_hold'
WHERE refund.id >= :refunds_from
    AND (entry.amount_minor IS DISTINCT FROM wanted.amount_minor OR entry.currency <> refund.currency)
"""
_CAPTURED_OVER_AUTHORIZED: Final = """
SELECT id AS subject, format('captured %s of %s', amount_captured_minor, amount_minor) AS detail
FROM payments
WHERE id >= :payments_from AND amount_captured_minor > amount_minor
"""
_REFUNDS_OVER_CAPTURED: Final = """
SELECT
    payment.id AS subject,
    format(
        'captured %s; its refunds reserve %s and it says %s; they paid back %s and it says %s', amount_captured_minor,
        coalesce(refund.reserved, 0), amount_refund_reserved_minor,
        coalesce(refund.processed, 0), amount_refunded_minor
    ) AS detail
FROM payments AS payment
LEFT JOIN (
    SELECT
        payment_id,
        sum(amount_minor) FILTER (WHERE status <> 'failed') AS reserved,
        sum(amount_minor) FILTER (WHERE status = 'processed') AS processed
    FROM refunds
    WHERE payment_id >= :payments_from
    GROUP BY payment_id
) AS refund ON refund.payment_id = payment.id
WHERE payment.id >= :payments_from
    AND (
        coalesce(refund.reserved, 0) <> amount_refund_reserved_minor
        OR coalesce(refund.processed, 0) <> amount_refunded_minor
        OR coalesce(refund.reserved, 0) > amount_captured_minor
    )
"""
_EVENT_MISSING: Final = """
SELECT wanted.object_id AS subject, format('no event %s', wanted.type) AS detail
FROM (
    SELECT payment.id, change.type
    FROM payments AS payment
    CROSS JOIN LATERAL (
        VALUES
            ('payment.created', true),
            ('payment.processing', payment.status NOT IN ('pending', 'cancelled')),
            ('payment.' || payment.status, payment.status NOT IN ('pending', 'processing')),
            ('payment.captured', payment.capture_status = 'completed'),
            ('payment.capture_failed', payment.capture_status = 'failed')
    ) AS change (type, happened)
    WHERE payment.id >= :payments_from AND change.happened
    UNION ALL
    SELECT refund.id, change.type
    FROM refunds AS refund
    CROSS JOIN LATERAL (
        VALUES
            ('refund.created', true), ('refund.' || refund.status, refund.status IN ('processed', 'failed'))
    ) AS change (type, happened)
    WHERE refund.id >= :refunds_from AND change.happened
    UNION ALL
    SELECT id, 'order.paid' FROM orders WHERE id >= :orders_from AND status = 'paid'
) AS wanted (object_id, type)
WHERE NOT EXISTS (
    SELECT FROM events
    WHERE events.id >= :events_from AND events.object_id = wanted.object_id
        AND CASE events.type WHEN 'payment.late_success' THEN 'payment.success' ELSE events.type END = wanted.type
)
"""
# Numbers follow the order of commits, which ids do not quite: a window begins at the least number of its events.
_EVENT_SEQUENCE_GAP: Final = """
WITH merchant AS (
    SELECT merchant_id, livemode, CASE WHEN :everything THEN 1 ELSE min(sequence) END AS first
    FROM events
    WHERE id >= :events_from AND sequence IS NOT NULL
    GROUP BY merchant_id, livemode
),
numbered AS (
    SELECT
        merchant_id, livemode, event.sequence,
        lag(event.sequence, 1, merchant.first - 1) OVER (
            PARTITION BY merchant_id, livemode ORDER BY event.sequence
        ) AS previous
    FROM events AS event JOIN merchant USING (merchant_id, livemode)
    WHERE event.sequence >= merchant.first
),
gap AS (
    SELECT
        merchant_id, livemode,
        CASE
            WHEN sequence = previous THEN format('%s is given twice', sequence)
            WHEN sequence = previous + 2 THEN format('%s is missing', previous + 1)
            ELSE format('%s to %s are missing', previous + 1, sequence - 1)
        END AS detail
    FROM numbered
    WHERE sequence <> previous + 1
    UNION ALL
    SELECT
        merchant_id, livemode,
        format('the last number is %s, but the counter says %s', max(sequence), coalesce(counter.last, 0))
    FROM numbered LEFT JOIN event_sequences AS counter USING (merchant_id, livemode)
    GROUP BY merchant_id, livemode, counter.last
    HAVING max(sequence) IS DISTINCT FROM counter.last
)
SELECT merchant_id AS subject, CASE WHEN livemode THEN 'live, ' ELSE 'test, ' END || detail AS detail FROM gap
UNION ALL
SELECT id, format('of %s, made at %s, has no number', merchant_id, created_at)
FROM events
WHERE sequence IS NULL AND created_at < now() - make_interval(secs => :grace_seconds)
"""
# A worker that stopped in good order has no row any more, and gave its leases back: its lease must be old as well.
_LEASE_OVERDUE: Final = f"""
SELECT held.id AS subject, format('held by %s since %s', held.worker_id, held.leased_at) AS detail
FROM (
    SELECT id, worker_id, leased_at FROM payments WHERE worker_id IS NOT NULL
    UNION ALL
    SELECT id, worker_id, leased_at FROM webhook_deliveries WHERE worker_id IS NOT NULL
) AS held
WHERE coalesce(held.leased_at, '-infinity') < now() - make_interval(secs => :grace_seconds) AND ({LEASE_IS_FREE})
"""
# Of one endpoint with a long queue most rows wait for their turn, and its breaker may be open; they are overdue if it
# has nothing in flight and nothing was tried for as long. Each lane has an index of its own.
_WORK_OVERDUE: Final = """
SELECT id AS subject, format('due since %s', due_at) AS detail
FROM payments
WHERE worker_id IS NULL AND due_at < now() - interval '10 minutes'
UNION ALL
SELECT delivery.id, format('due since %s', delivery.due_at)
FROM webhook_endpoint_health AS health
JOIN webhook_endpoints AS endpoint ON endpoint.id = health.endpoint_id AND endpoint.status = 'enabled'
CROSS JOIN LATERAL (
    SELECT id, due_at FROM webhook_deliveries
    WHERE endpoint_id = health.endpoint_id AND lane = 0 AND worker_id IS NULL
        AND due_at < now() - interval '10 minutes'
    UNION ALL
    SELECT id, due_at FROM webhook_deliveries
    WHERE endpoint_id = health.endpoint_id AND lane = 1 AND worker_id IS NULL
        AND due_at < now() - interval '10 minutes'
) AS delivery
WHERE greatest(health.last_attempt_at, health.blocked_until, '-infinity') < now() - interval '10 minutes'
    AND NOT EXISTS (
        SELECT FROM webhook_deliveries AS busy
        WHERE busy.endpoint_id = health.endpoint_id AND busy.worker_id IS NOT NULL
    )
UNION ALL
SELECT id, format('due since %s', due_at) FROM provider_callbacks WHERE due_at < now() - interval '10 minutes'
"""
_CARD_LEFT_BEHIND: Final = """
SELECT payment_id AS subject, format('its card is kept, though it is %s', payment.status) AS detail
FROM payment_cards JOIN payments AS payment ON payment.id = payment_id
WHERE payment.status NOT IN ('pending', 'processing')
"""
# A late success of an order that another payment paid is voided or refunded at once, so it does not count.
_ORDER_WRONG: Final = """
SELECT
    orders.id AS subject,
    format(
        '%s, but its payment %s is %s', orders.status, coalesce(orders.payment_id, '(none)'),
        CASE
            WHEN payment.id IS NULL THEN 'missing'
            WHEN payment.bound_order_id IS DISTINCT FROM orders.id THEN 'not of this order'
            ELSE payment.status
        END
    ) AS detail
FROM orders LEFT JOIN payments AS payment ON payment.id = orders.payment_id
WHERE orders.id >= :orders_from AND (orders.payment_id IS NOT NULL OR orders.status = 'paid')
    AND (
        payment.bound_order_id IS DISTINCT FROM orders.id
        OR CASE orders.status
            WHEN 'paid' THEN payment.status <> 'success' ELSE payment.status NOT IN ('pending', 'processing')
        END
    )
UNION ALL
SELECT bound_order_id, format('%s successful payments: %s', count(*), string_agg(id, ', ' ORDER BY id))
FROM payments
WHERE bound_order_id >= :orders_from AND status = 'success'
    AND (amount_captured_minor = 0 OR amount_refund_reserved_minor < amount_captured_minor)
GROUP BY bound_order_id
HAVING count(*) > 1
UNION ALL
SELECT
    payment.bound_order_id,
    format(
        '%s is for %s %s, the order for %s', payment.id, payment.amount_minor, payment.currency,
        coalesce(orders.amount_minor || ' ' || orders.currency, 'nothing: it is missing')
    )
FROM payments AS payment LEFT JOIN orders ON orders.id = payment.bound_order_id
WHERE payment.bound_order_id >= :orders_from
    AND (orders.merchant_id, orders.livemode, orders.amount_minor, orders.currency) IS DISTINCT FROM
        (payment.merchant_id, payment.livemode, payment.amount_minor, payment.currency)
"""
# A month of attempts that retention drops is gone at once, whatever moment is read: while the audit runs it waits. The
# lock comes before the first row is read, which is what fixes the moment.
_KEEP_ATTEMPTS: Final = text("LOCK TABLE webhook_attempts IN ACCESS SHARE MODE")
_MARKS: Final = text("SELECT name, kept_from FROM retention_marks")
_COUNT_ROWS: Final = text("""
SELECT
    (SELECT count(*) FROM payments WHERE id >= :payments_from) AS payments,
    (SELECT count(*) FROM refunds WHERE id >= :refunds_from) AS refunds,
    (SELECT count(*) FROM orders WHERE id >= :orders_from) AS orders
""")


def _first_rows(question: str) -> TextClause:
    found = f"SELECT subject, detail, count(*) OVER () AS total FROM ({question}) AS found"
    return text(f"{found} ORDER BY subject, detail LIMIT :most")


QUESTIONS: Final = {
    "ledger_unbalanced": _LEDGER_UNBALANCED,
    "ledger_balance_wrong": _LEDGER_BALANCE_WRONG,
    "capture_not_booked": _CAPTURE_NOT_BOOKED,
    "refund_not_booked": _REFUND_NOT_BOOKED,
    "captured_over_authorized": _CAPTURED_OVER_AUTHORIZED,
    "refunds_over_captured": _REFUNDS_OVER_CAPTURED,
    "event_missing": _EVENT_MISSING,
    "event_sequence_gap": _EVENT_SEQUENCE_GAP,
    **WEBHOOK_QUESTIONS,
    "lease_overdue": _LEASE_OVERDUE,
    "work_overdue": _WORK_OVERDUE,
    "card_left_behind": _CARD_LEFT_BEHIND,
    "order_wrong": _ORDER_WRONG,
}


def prepare(questions: Mapping[str, str]) -> dict[str, TextClause]:
    """The statement of each check; LookupError if a check has no question here, or a question no check."""
    if astray := questions.keys() ^ {check.name for check in CHECKS}:
        raise LookupError(f"Checks and questions are not the same: {', '.join(sorted(astray))}.")
    return {name: _first_rows(question) for name, question in questions.items()}


_STATEMENTS: Final = prepare(QUESTIONS)


async def audit(connection: Connection, *, since: datetime | None, lease_limit_seconds: float) -> Report:
    """Ask every check of the rows made since then, or of all."""
    await connection.execute(_KEEP_ATTEMPTS)
    marks = {row.name: row.kept_from for row in await connection.execute(_MARKS)}
    parameters = {
        **window_parameters(since),
        **kept_parameters(since, marks),
        "lease_limit_seconds": lease_limit_seconds + GRACE_SECONDS,
        "grace_seconds": GRACE_SECONDS,
        "most": FINDINGS_MOST,
    }
    counted = (await connection.execute(_COUNT_ROWS, parameters)).one()
    results = [await _ask(connection, check, parameters) for check in CHECKS]
    return Report(results=tuple(results), rows=counted._asdict())


async def _ask(connection: Connection, check: Check, parameters: dict[str, object]) -> CheckResult:
    rows = (await connection.execute(_STATEMENTS[check.name], parameters)).all()
    findings = tuple(Finding(check.name, row.subject, row.detail) for row in rows)
    return CheckResult(check=check, findings=findings, count=rows[0].total if rows else 0)

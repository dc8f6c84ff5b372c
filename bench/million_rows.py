"""Fills a database with payments of a merchant, a year of them, spread over statuses, methods and orders.

Every row is as the services leave it: with its events numbered, so that lists of both are measured on full tables.
"""

import psycopg

_PAYMENTS = """
INSERT INTO payments (
    id, merchant_id, livemode, order_id, amount_minor, currency, method, method_details, vpa, metadata, status,
    error_code, error_message, capture_method, version, created_at, updated_at
)
SELECT
    'pay_' || lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || substr(md5(n::text), 1, 18),
    'mer_test', false, 'ord_' || n / 3, 100 + n %% 90000, 'INR',
    (ARRAY['upi', 'upi', 'upi', 'card', 'netbanking'])[1 + n %% 5], '{"flow": "collect"}', 'test@upi', '{}',
    -- Most succeed; one in five hundred is cancelled, which is the filter that has to look furthest.
    CASE WHEN n %% 500 = 7 THEN 'cancelled' WHEN n %% 20 = 3 THEN 'failed' ELSE 'success' END,
    NULL, NULL, 'manual', 3, at, at
FROM (
    SELECT n, date_trunc('milliseconds', now() - interval '1 year' * (%(rows)s - n) / %(rows)s) AS at
    FROM generate_series(1, %(rows)s) AS n
) AS moment
"""
_EVENTS = """
INSERT INTO events (id, merchant_id, livemode, type, object_id, body, created_at, sequence)
SELECT
    'evt_' || substr(id, 5), 'mer_test', false, 'payment.created', id,
    convert_to(
        format('{"id":"evt_%s","type":"payment.created","created_at":"2026-01-01T00:00:00Z","data":{}}', substr(id, 5)),
        'UTF8'
    ),
    created_at, row_number() OVER (ORDER BY id)
FROM payments
"""
# One order in ten is known: its payments are found by either of its names.
_ORDERS = """
INSERT INTO orders (
    id, merchant_id, livemode, reference, amount_minor, currency, metadata, status, version, created_at, updated_at
)
SELECT 'ord_known_' || n, 'mer_test', false, 'ord_' || n, 100, 'INR', '{}', 'attempted', 1, now(), now()
FROM generate_series(0, %(rows)s / 3, 10) AS n
"""
_BINDING = """
UPDATE payments SET bound_order_id = orders.id FROM orders WHERE orders.reference = payments.order_id
"""
_COUNTER = "INSERT INTO event_sequences SELECT 'mer_test', false, count(*) FROM events"


def fill(owner_url: str, rows: int) -> None:
    """Put this many payments and their first events into an empty, migrated and seeded database."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute(_PAYMENTS, {"rows": rows})
        connection.execute(_EVENTS)
        connection.execute(_ORDERS, {"rows": rows})
        connection.execute(_BINDING)
        connection.execute(_COUNTER)
        for table in ("orders", "payments", "events", "event_sequences"):
            connection.execute(f"VACUUM (ANALYZE) {table}")


def scans(owner_url: str) -> tuple[int, int]:
    """How often the tables of payments and events were read from end to end, and how many rows indexes yielded."""
    query = """
    SELECT sum(seq_scan), sum(idx_tup_fetch) FROM pg_stat_user_tables WHERE relname IN ('payments', 'events')
    """
    with psycopg.connect(owner_url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)

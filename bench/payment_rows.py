"""Pending payments as the API leaves them, made by the thousand, their rings, and proof that each was done once."""

from collections.abc import Iterator
from itertools import islice

import orjson
import psycopg
import redis

from gateway_common.queue.messages import PAYMENTS_STREAM, PROCESS_PAYMENT

RINGS_A_PIPELINE = 500
# Due now. `rung` says that the API rang for them, so that a sweeper does not for a while.
_STORE = """
WITH payment AS (
    INSERT INTO payments (
        id, merchant_id, livemode, order_id, amount_minor, currency, method, vpa, metadata, status,
        capture_method, version, created_at, updated_at, due_at, rung_at
    )
    SELECT
        'pay_' || lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0')
            || substr(md5(random()::text || n), 1, 18),
        'mer_test', false, 'ord_bench', 50000, 'INR', 'upi', 'test@upi', '{}',
        'pending', 'manual', 1, now(), now(), now(), CASE WHEN %(rung)s THEN now() END
    FROM generate_series(1, %(count)s) AS n
    RETURNING id
),
event AS (
    INSERT INTO events (id, merchant_id, livemode, type, object_id, body, created_at)
    SELECT 'evt_' || substr(id, 5), 'mer_test', false, 'payment.created', id, convert_to(repeat('x', 600), 'UTF8'),
        now()
    FROM payment
)
SELECT id FROM payment ORDER BY id
"""
# What must hold of every payment in the end, each with the rows that break it.
_PROOFS = {
    "payments that are no success, or claimed more than once": """
        SELECT count(*) FROM payments WHERE status <> 'success' OR attempt <> 1 OR worker_id IS NOT NULL
    """,
    "payments that the provider was not asked for exactly once": """
        SELECT count(*) FROM payments
        LEFT JOIN simulator_operations AS asked ON asked.payment_id = payments.id AND asked.kind = 'authorize'
        WHERE asked.requests IS DISTINCT FROM 1
    """,
    "payments without exactly one event of each kind": """
        SELECT count(*) FROM (
            SELECT object_id FROM events GROUP BY object_id
            HAVING array_agg(type ORDER BY type) <> '{payment.created,payment.processing,payment.success}'
        ) AS wrong
    """,
}


def store_payments(database_url: str, count: int, *, rung: bool) -> list[str]:
    """Insert so many pending payments in one transaction; their ids."""
    with psycopg.connect(database_url) as connection:
        return [row[0] for row in connection.execute(_STORE, {"count": count, "rung": rung})]


def ring(redis_url: str, names: list[str], *, stream: str = PAYMENTS_STREAM, task: str = PROCESS_PAYMENT) -> None:
    """Send a ring for each, as the API's ringer does, in its pipelines."""
    left: Iterator[str] = iter(names)
    with redis.Redis.from_url(redis_url) as client:
        while batch := list(islice(left, RINGS_A_PIPELINE)):
            pipeline = client.pipeline(transaction=False)
            for name in batch:
                message = {
                    "task_id": "ring",
                    "task_name": task,
                    "labels": {},
                    "args": [],
                    "kwargs": {"payment_id": name},
                }
                pipeline.xadd(stream, {b"data": orjson.dumps(message)})
            pipeline.execute()


def prove_payments(database_url: str, expected: int) -> list[str]:
    """What is wrong with the payments: each must be a success, claimed once, asked for once, and told of."""
    with psycopg.connect(database_url) as connection:
        counts = {
            what: _scalar(connection, query)
            for what, query in (("payments", "SELECT count(*) FROM payments"), *_PROOFS.items())
        }
    stored = counts.pop("payments")
    problems = [f"{count} {what}" for what, count in counts.items() if count]
    if stored != expected:
        problems.append(f"{stored} payments instead of {expected}")
    print(f"{stored} payments stored, " + ("WRONG" if problems else "each one claimed, asked for and recorded once"))
    return problems


def count_open_payments(connection: psycopg.Connection) -> int:
    """How many are not ended yet."""
    return _scalar(connection, "SELECT count(*) FROM payments WHERE status IN ('pending', 'processing')")


def empty_tables(owner_url: str) -> None:
    """Forget all payments, for the next run."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("TRUNCATE payments, events, simulator_operations, provider_answers CASCADE")


def _scalar(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0

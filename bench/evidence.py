"""Proof that a 201 was a payment: its rows in PostgreSQL and its ring in the stream, counted."""

import time

import psycopg
import redis
from bench.stack import Servers

from gateway_common.queue.messages import PAYMENTS_STREAM

TABLES = ("payments", "events", "idempotency_keys")
# Rings are sent behind the answer's back.
RING_SECONDS = 5.0


def missing_rows(servers: Servers, created: int) -> list[str]:
    """Count what `created` answers must have left, print it, and say what differs."""
    counts = count_rows(servers.database_url)
    counts["rings"] = count_rings(servers.redis_url, created)
    print(f"{created} answers 201: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    problems = [f"{count} {name} for {created} answers" for name, count in counts.items() if count != created]
    return problems if created else ["nothing was created"]


def count_rows(database_url: str) -> dict[str, int]:
    with psycopg.connect(database_url) as connection:
        counts = {table: _scalar(connection, f"SELECT count(*) FROM {table}") for table in TABLES}
        durable = _scalar(
            connection,
            "SELECT count(*) FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
            " AND setting = 'on'",
        )
    if durable != 3:
        raise SystemExit("PostgreSQL runs without full durability: this measures nothing")
    return counts


def count_rings(redis_url: str, expected: int) -> int:
    """How many messages the stream ever got, once all are there or none came for a while."""
    deadline = time.monotonic() + RING_SECONDS
    with redis.Redis.from_url(redis_url) as client:
        while True:
            rings = int(client.xinfo_stream(PAYMENTS_STREAM)["entries-added"])
            if rings >= expected or time.monotonic() > deadline:
                return rings
            time.sleep(0.1)


def _scalar(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0

"""What PostgreSQL says of a claim: plan, times and pages of the very statement that a dispatcher sends."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from bench.stack import Servers
from bench.webhook_rows import owner_url
from sqlalchemy import event
from sqlalchemy.engine import Engine

from gateway_common.db.database import Connection, Database
from gateway_common.settings import normalize_database_url
from gateway_common.webhooks.claim_store import claim_deliveries

CLAIM_MOST = 128
IN_FLIGHT_MOST = 16
WORKER_ID = "wrk_bench"


@dataclass(frozen=True)
class Plan:
    """One run of a statement, undone afterwards."""

    milliseconds: float
    planning_milliseconds: float
    pages: int
    rows: int
    read_whole: tuple[str, ...]
    """The tables that were read from end to end."""

    def __str__(self) -> str:
        whole = f"reads all of {', '.join(self.read_whole)}" if self.read_whole else "by indexes only"
        return (
            f"{self.milliseconds:.1f} ms, and {self.planning_milliseconds:.1f} ms to plan; {self.rows} claimed,"
            f" {self.pages} pages, {whole}"
        )


async def _claim(connection: Connection) -> int:
    claimed = await claim_deliveries(connection, WORKER_ID, most=CLAIM_MOST, in_flight_most=IN_FLIGHT_MOST)
    return len(claimed)


def explain_claim(servers: Servers) -> Plan:
    """Have a claim explained as it runs."""
    statement, parameters = asyncio.run(_catch_claim(servers))
    with psycopg.connect(owner_url(servers)) as connection:
        # The second time, for a dispatcher's connections know the tables too.
        for _ in range(2):
            query = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
            [([explained],)] = connection.execute(query.encode(), parameters).fetchall()
            connection.rollback()
    nodes = list(_nodes(explained["Plan"]))
    return Plan(
        milliseconds=explained["Execution Time"],
        planning_milliseconds=explained["Planning Time"],
        pages=explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"],
        rows=round(explained["Plan"]["Actual Rows"]),
        read_whole=tuple(sorted({node["Relation Name"] for node in nodes if _reads_whole(node)})),
    )


def time_looks(servers: Servers, number: int) -> float:
    """The median milliseconds of a claim as its caller sees it, when there is nothing to claim."""

    async def look() -> float:
        database = Database(normalize_database_url(servers.database_url), application_name="bench", pool_size=1)
        times = []
        try:
            for _ in range(number):
                started = time.perf_counter()
                async with database.statement() as connection:
                    found = await _claim(connection)
                times.append((time.perf_counter() - started) * 1000)
                if found:
                    raise SystemExit(f"{found} deliveries were due when none should have been")
        finally:
            await database.close()
        return statistics.median(times)

    return asyncio.run(look())


async def _catch_claim(servers: Servers) -> tuple[str, Any]:
    """The statement of a claim as the driver gets it, and its parameters; what it claims is undone."""
    caught: list[tuple[str, Any]] = []

    def catch(*arguments: Any) -> None:
        caught.append((arguments[2], arguments[3]))

    database = Database(normalize_database_url(servers.database_url), application_name="bench", pool_size=1)
    event.listen(Engine, "before_cursor_execute", catch)
    try:
        async with database.transaction() as connection:
            await _claim(connection)
            await connection.rollback()
    finally:
        event.remove(Engine, "before_cursor_execute", catch)
        await database.close()
    return caught[-1]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _reads_whole(node: dict[str, Any]) -> bool:
    return bool(node["Node Type"] == "Seq Scan" and node["Actual Loops"])

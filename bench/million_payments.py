"""Is a full table as quick as an empty one? `python -m bench.million_payments` asks both the same, request by request.

Two databases of one server, with 10,000 and 1,000,000 payments of one merchant, each behind an API process of its own.
Requests go to both in turn, so that a noisy moment harms both alike; what counts is the ratio of medians. The exit
status says whether every request was answered and no table was read from end to end, not how fast it went.
"""

import argparse
import asyncio
import http.client
import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg
from bench.create_payment import BODY, HEADERS
from bench.million_rows import fill, scans
from bench.stack import MASTER_KEY, Servers, running_process, running_servers

from gateway_cli.local.ports import find_free_ports
from gateway_cli.local.postgres import OWNER, SERVICE_ROLE, create_database, postgres_url
from gateway_common.db.migrations import upgrade
from gateway_common.merchants.seed import seed_test_merchant

SIZES = (10_000, 1_000_000)
RATIO_MOST = 1.5
WARM_UP = 20
_keys = count(1)


@dataclass
class Side:
    """One of the two: its API, its database, and what its requests took in milliseconds."""

    connection: http.client.HTTPConnection
    owner_url: str
    payment_id: str
    times: dict[str, list[float]]
    answers: dict[str, Any]

    def send(self, name: str, method: str, path: str, body: str | None = None) -> None:
        headers = HEADERS | {"Content-Type": "application/json", "Idempotency-Key": f"million-{next(_keys)}"}
        started = time.perf_counter()
        self.connection.request(method, f"/api/v1/{path}", body, headers)
        response = self.connection.getresponse()
        content = response.read()
        self.times.setdefault(name, []).append((time.perf_counter() - started) * 1000)
        if response.status not in {200, 201}:
            raise SystemExit(f"{method} {path}: {response.status} {content.decode()}")
        self.answers[name] = json.loads(content)


def requests() -> dict[str, Callable[[Side], tuple[str, str, str | None]]]:
    """What is asked, by name."""
    return {
        "create": lambda _: ("POST", "payments", BODY.replace("ord_bench", f"ord_new_{next(_keys)}")),
        "get": lambda side: ("GET", f"payments/{side.payment_id}", None),
        "list": lambda _: ("GET", "payments?limit=20", None),
        "list, deep page": lambda side: ("GET", f"payments?limit=20&starting_after={side.payment_id}", None),
        "list by status": lambda _: ("GET", "payments?limit=20&status=failed", None),
        "list by a rare status": lambda _: ("GET", "payments?limit=20&status=cancelled", None),
        "list by method": lambda _: ("GET", "payments?limit=20&method=netbanking", None),
        "list by an absent method": lambda _: ("GET", "payments?limit=20&method=wallet", None),
        "list by order": lambda _: ("GET", "payments?limit=20&order_id=ord_1000", None),
        "list by a plain reference": lambda _: ("GET", "payments?limit=20&order_id=ord_1001", None),
        "list by created range": lambda side: ("GET", f"payments?limit=20&{_month_before(side)}", None),
        "list by status and range": lambda side: (
            "GET",
            f"payments?limit=20&status=failed&{_month_before(side)}",
            None,
        ),
        "events, newest": lambda _: ("GET", "events?limit=20", None),
        "events after a number": lambda _: ("GET", "events?limit=20&after_sequence=5000", None),
    }


def _month_before(side: Side) -> str:
    created = side.answers.get("get", {}).get("created_at", "2100-01-01T00:00:00.000Z")
    return f"created_from=2000-01-01T00:00:00Z&created_to={created}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200, help="of each kind, to each side")
    parser.add_argument("--rows", type=int, default=SIZES[1], help="payments on the full side")
    options = parser.parse_args()
    with running_servers() as servers, ExitStack() as stack:
        small, full = (_side(servers, stack, rows) for rows in (SIZES[0], options.rows))
        before = [scans(side.owner_url) for side in (small, full)]
        for number in range(options.requests + WARM_UP):
            for name, request in requests().items():
                for side in (small, full) if number % 2 else (full, small):
                    side.send(name, *request(side))
        time.sleep(1)  # PostgreSQL tells of its scans with some delay.
        after = [scans(side.owner_url) for side in (small, full)]
    _print(small, full)
    asked = len(requests()) * (options.requests + WARM_UP)
    for name, (seq_0, rows_0), (seq_1, rows_1) in zip(("small", "full"), before, after, strict=True):
        print(
            f"{name}: {seq_1 - seq_0} scans of a whole table, {(rows_1 - rows_0) / asked:.1f} rows by index a request"
        )
    return 0 if after[1][0] == before[1][0] else 1


def _side(servers: Servers, stack: ExitStack, rows: int) -> Side:
    """A database with so many payments, and an API on it."""
    database = f"payments_{rows}"
    create_database(servers.postgres_port, database)
    owner_url = postgres_url(servers.postgres_port, database, role=OWNER)
    upgrade(owner_url)
    asyncio.run(seed_test_merchant(owner_url, MASTER_KEY))
    started = time.perf_counter()
    fill(owner_url, rows)
    print(f"{rows} payments and their events stored in {time.perf_counter() - started:.0f} s", flush=True)
    port, metrics_port = find_free_ports(2)
    environment = servers.environment(port, metrics_port) | {
        "DATABASE_URL": postgres_url(servers.postgres_port, database, role=SERVICE_ROLE)
    }
    stack.enter_context(
        running_process(
            ["-m", "gateway_api"], port=port, log=servers.folder / f"api-{rows}.log", environment=environment
        )
    )
    with psycopg.connect(owner_url) as connection:
        row = connection.execute(f"SELECT id FROM payments ORDER BY id OFFSET {rows // 2} LIMIT 1").fetchone()
    assert row is not None  # noqa: S101 -- it was filled just now.
    return Side(http.client.HTTPConnection("127.0.0.1", port), owner_url, row[0], {}, {})


def _print(small: Side, full: Side) -> None:
    print(f"\n{'median, ms':<28}{SIZES[0]:>12}{'full':>12}{'ratio':>8}")
    worst = 0.0
    for name in small.times:
        medians = [statistics.median(side.times[name][WARM_UP:]) for side in (small, full)]
        ratio = medians[1] / medians[0]
        worst = max(worst, ratio)
        print(f"{name:<28}{medians[0]:>12.2f}{medians[1]:>12.2f}{ratio:>8.2f}")
    print(f"\nworst ratio {worst:.2f} (target {RATIO_MOST}: {'met' if worst <= RATIO_MOST else 'missed'})")


if __name__ == "__main__":
    sys.exit(main())

"""Are retries on time while a million others wait? `python -m bench.million_deliveries`, about three minutes.

10,000 endpoints have 1,000,000 deliveries to be tried again over the next hours, and 200 more fall due each second for
a minute; what counts is how long after its time each one's first byte arrives. Also what a look costs that finds
nothing, with the million and without. The exit status says whether none came early, twice or never, and whether the
table was read from end to end; not how fast it went.
"""

import argparse
import sys
import time
from dataclasses import dataclass

import psycopg
from bench.explained import explain_claim, time_looks
from bench.receivers import Sink, running_sink
from bench.stack import Servers, cpu_seconds, running_servers
from bench.webhook_rows import add_endpoints, execute, owner_url, payment_event, with_database
from bench.workers import running_worker
from tests.support.deliveries import MERCHANT_ID

from gateway_common.db.database import Database
from gateway_common.events.store import insert_events

DISPATCHER = ("-m", "gateway_webhook_dispatcher")
SETTINGS = {"WEBHOOK_ALLOW_PRIVATE_NETWORKS": "true"}
LATE_MOST_MS = 1_000.0
LOOKS = 50
LEAD_SECONDS = 5.0
"""The first fall due so long after they appear, for storing them takes a moment."""
CLOCK_MS = 1.0
"""Two processes read one clock; what PostgreSQL calls now() is the start of its statement."""
# Each waits for its second attempt, as if all had failed a while ago.
_FILL = """
INSERT INTO webhook_deliveries (
    id, event_id, endpoint_id, merchant_id, livemode, status, attempts, last_response_status, last_error, created_at,
    updated_at, lane, due_at
)
SELECT
    'dlv_' || substr(event.id, 5, 12) || substr(md5(event.id || endpoint.id), 1, 18), event.id, endpoint.id,
    event.merchant_id, false, 'pending', 1, 503, 'answered 503', event.created_at, now(), 1,
    now() + make_interval(secs => %(from)s + random() * %(seconds)s)
FROM (SELECT * FROM events WHERE id = ANY (%(ids)s)) AS event
CROSS JOIN (SELECT id FROM webhook_endpoints ORDER BY id) AS endpoint
LIMIT %(rows)s
"""
_LOOK_AT = """
UPDATE webhook_endpoint_health AS health SET revision = revision + 1, look_at = waiting.due_at
FROM (
    SELECT endpoint_id, min(due_at) AS due_at FROM webhook_deliveries WHERE due_at IS NOT NULL GROUP BY endpoint_id
) AS waiting
WHERE health.endpoint_id = waiting.endpoint_id
"""
_DUE = "SELECT id, extract(epoch FROM due_at)::float8 FROM webhook_deliveries WHERE due_at < now() + interval '10 min'"
_MAKE_DUE = """
UPDATE webhook_deliveries SET due_at = now()
WHERE id IN (SELECT id FROM webhook_deliveries WHERE due_at IS NOT NULL AND worker_id IS NULL ORDER BY id LIMIT 128)
"""


@dataclass(frozen=True)
class Load:
    """How many wait, and how many fall due."""

    endpoints: int
    waiting: int
    per_second: int
    seconds: int

    @property
    def due(self) -> int:
        return self.per_second * self.seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=1_000_000)
    parser.add_argument("--endpoints", type=int, default=10_000)
    parser.add_argument("--per-second", type=int, default=200, help="how many fall due")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--idle-seconds", type=float, default=10, help="how long an idle dispatcher is watched")
    options = parser.parse_args()
    load = Load(options.endpoints, options.waiting, options.per_second, options.seconds)
    with running_servers() as servers, running_sink(servers, 100) as sink:
        add_endpoints(servers, load.endpoints, sink.url, merchant_id=MERCHANT_ID)
        print(f"{load.endpoints} endpoints, none of their deliveries waiting:", flush=True)
        look_idly(servers, options.idle_seconds)
        fill(servers, load)
        print(f"\n{load.waiting} deliveries waiting:", flush=True)
        problems = look_idly(servers, options.idle_seconds)
        problems += fall_due(servers, sink, load)
        execute(servers, _MAKE_DUE, _LOOK_AT, "ANALYZE webhook_endpoint_health")
        problems += _explained(servers, "a claim of 128 that are due")
    for problem in problems:
        print(f"WRONG: {problem}")
    return 1 if problems else 0


def fill(servers: Servers, load: Load) -> None:
    """The waiting ones: every event's for all endpoints, due from half an hour to six hours from now."""
    started = time.monotonic()
    _store(servers, load, rows=load.waiting, from_seconds=1_800, over_seconds=19_800)
    execute(servers, "VACUUM (ANALYZE) webhook_deliveries", "VACUUM (ANALYZE) webhook_endpoint_health", "CHECKPOINT")
    print(f"\nstored in {time.monotonic() - started:.0f} s")


def _store(servers: Servers, load: Load, *, rows: int, from_seconds: float, over_seconds: float) -> None:
    """The deliveries appear all at once, and their endpoints know of them."""
    events = -(-rows // load.endpoints)
    made = [payment_event("mer_nobody") for _ in range(events)]

    async def store(database: Database) -> None:
        async with database.transaction() as connection:
            await insert_events(connection, made)

    with_database(servers, store)
    parameters = {"ids": [event.id for event in made], "from": from_seconds, "seconds": over_seconds, "rows": rows}
    with psycopg.connect(owner_url(servers)) as connection:
        connection.execute(_FILL, parameters)
        connection.execute(_LOOK_AT)


def look_idly(servers: Servers, seconds: float) -> list[str]:
    """What a dispatcher costs to whom nothing is due."""
    problems = _explained(servers, "a look that finds nothing")
    print(f"  {time_looks(servers, LOOKS):.2f} ms for a look, the driver's part included")
    with running_worker(servers, "idle", DISPATCHER, **SETTINGS) as dispatcher:
        time.sleep(2)
        cpu, postgres = dispatcher.cpu_seconds, cpu_seconds(servers.postgres)
        time.sleep(seconds)
        cpu, postgres = dispatcher.cpu_seconds - cpu, cpu_seconds(servers.postgres) - postgres
    print(
        f"  an idle dispatcher, at ten looks a second: {cpu / seconds:.1%} of a core itself,"
        f" {postgres / seconds:.1%} PostgreSQL",
        flush=True,
    )
    return problems


def _explained(servers: Servers, what: str) -> list[str]:
    plan = explain_claim(servers)
    print(f"  {what}: {plan}", flush=True)
    return [f"{what} reads the whole table"] if "webhook_deliveries" in plan.read_whole else []


def fall_due(servers: Servers, sink: Sink, load: Load) -> list[str]:
    """More deliveries, at other moments of the next minute each."""
    with running_worker(servers, "dispatcher", DISPATCHER, **SETTINGS) as dispatcher:
        _store(servers, load, rows=load.due, from_seconds=LEAD_SECONDS, over_seconds=load.seconds)
        with psycopg.connect(owner_url(servers)) as connection:
            due: dict[str, float] = dict(connection.execute(_DUE).fetchall())
        cpu, postgres = dispatcher.cpu_seconds, cpu_seconds(servers.postgres)
        sink.wait_for(load.due, timeout_seconds=LEAD_SECONDS + load.seconds + 30)
        time.sleep(1)
        cpu, postgres = dispatcher.cpu_seconds - cpu, cpu_seconds(servers.postgres) - postgres
    arrivals = sink.take()
    late = sorted((arrival.at - due.get(arrival.delivery_id, float("inf"))) * 1000 for arrival in arrivals)
    p50, p99 = late[len(late) // 2], late[int(len(late) * 0.99)]
    verdict = "met" if p99 <= LATE_MOST_MS else "missed"
    print(
        f"\n{load.due} deliveries fell due within {load.seconds} s, {load.per_second} a second: due to sent"
        f" p50 {p50:.0f} ms, p99 {p99:.0f} ms, earliest {late[0]:.1f} ms, latest {late[-1]:.0f} ms"
        f" (target p99 {LATE_MOST_MS:.0f} ms: {verdict}); CPU us a delivery: dispatcher {cpu / load.due * 1e6:.0f}"
        f" postgresql {postgres / load.due * 1e6:.0f}",
        flush=True,
    )
    problems = []
    if late[0] < -CLOCK_MS:
        problems.append(f"a delivery came {-late[0]:.1f} ms early")
    if len(due) != load.due or sorted(arrival.delivery_id for arrival in arrivals) != sorted(due):
        problems.append(f"{len(arrivals)} webhooks, {len({each.delivery_id for each in arrivals})} of them different")
    return problems


if __name__ == "__main__":
    sys.exit(main())

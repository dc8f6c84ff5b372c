"""Merchants, their webhook endpoints and events as the gateway leaves them, and proof of what became of deliveries."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar

import psycopg
import redis
from bench.stack import MASTER_KEY, Servers

from gateway_cli.local.postgres import OWNER, postgres_url
from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.events.model import Event, EventType, new_event
from gateway_common.events.store import insert_events
from gateway_common.ids import PAYMENT, WEBHOOK_ENDPOINT, new_id
from gateway_common.merchants.store import save_merchant
from gateway_common.queue.broker import DoorbellBroker
from gateway_common.queue.messages import DISPATCH_WEBHOOKS, WEBHOOKS_STREAM
from gateway_common.settings import normalize_database_url
from gateway_common.webhooks.model import EndpointStatus, WebhookEndpoint, seal_context
from gateway_common.webhooks.signing import new_secret
from gateway_common.webhooks.store import insert_endpoint

EVENTS_A_STATEMENT = 1_000
ENDPOINTS_A_TRANSACTION = 500
FILL_SECONDS = 300.0
Result = TypeVar("Result")

_PROOFS: dict[str, LiteralString] = {
    "deliveries that were not delivered at the first attempt": """
        SELECT count(*) FROM webhook_deliveries
        WHERE status <> 'delivered' OR attempts <> 1 OR due_at IS NOT NULL OR worker_id IS NOT NULL
    """,
    "deliveries without exactly one attempt that was answered 200": """
        SELECT count(*) FROM (
            SELECT delivery.id
            FROM webhook_deliveries AS delivery
            LEFT JOIN webhook_attempts AS attempt ON attempt.delivery_id = delivery.id
            GROUP BY delivery.id HAVING array_agg(attempt.response_status) <> '{200}'
        ) AS wrong
    """,
}


@dataclass(frozen=True)
class Endpoint:
    id: str
    merchant_id: str
    secret: str


def owner_url(servers: Servers) -> str:
    return postgres_url(servers.postgres_port, role=OWNER)


def execute(servers: Servers, *statements: LiteralString) -> None:
    """Run statements as the owner, each by itself."""
    with psycopg.connect(owner_url(servers), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def count(servers: Servers, query: LiteralString) -> int:
    with psycopg.connect(owner_url(servers)) as connection:
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def with_database(servers: Servers, use: Callable[[Database], Awaitable[Result]]) -> Result:
    """Do something by the gateway's own stores."""

    async def run() -> Result:
        database = Database(
            normalize_database_url(servers.database_url),
            application_name="bench",
            pool_size=4,
            answer_timeout_seconds=FILL_SECONDS,
        )
        try:
            return await use(database)
        finally:
            await database.close()

    return asyncio.run(run())


def add_endpoints(
    servers: Servers, number: int, url: Callable[[int], str], *, merchant_id: str | None = None, **limits: Any
) -> list[Endpoint]:
    """So many endpoints, each of a merchant of its own unless they are all one's."""
    keyring, now = Keyring(MASTER_KEY), system_clock()
    added, stored = [], []
    for index in range(number):
        endpoint = Endpoint(new_id(WEBHOOK_ENDPOINT, now), merchant_id or f"mer_{index:05}", new_secret())
        added.append(endpoint)
        stored.append(
            WebhookEndpoint(
                id=endpoint.id,
                merchant_id=endpoint.merchant_id,
                livemode=False,
                url=url(index),
                description=None,
                event_types=[],
                status=EndpointStatus.ENABLED,
                sealed_secret=keyring.seal(endpoint.secret.encode(), context=seal_context(endpoint.id)),
                created_at=now,
                updated_at=now,
                **limits,
            )
        )

    async def store(database: Database) -> None:
        for start in range(0, number, ENDPOINTS_A_TRANSACTION):
            async with database.transaction() as connection:
                for endpoint in stored[start : start + ENDPOINTS_A_TRANSACTION]:
                    await save_merchant(connection, endpoint.merchant_id, "Bench", now)
                    await insert_endpoint(connection, endpoint)

    with_database(servers, store)
    return added


def payment_event(merchant_id: str) -> Event:
    """An event with a payment as merchants get it, its body about 700 bytes."""
    now = system_clock()
    payment_id = new_id(PAYMENT, now)
    snapshot = {
        "id": payment_id,
        "object": "payment",
        "order_id": f"ord_{payment_id[4:]}",
        "amount_minor": 50_000,
        "currency": "INR",
        "method": "upi",
        "method_details": {"flow": "collect", "vpa": "t***@upi", "app": "any", "network_reference": "4123000012345678"},
        "metadata": {"cart": "8d7f1c2e", "customer": "cus_000123", "note": "Two of the blue ones, please, for Zoë."},
        "status": "success",
        "capture_method": "manual",
        "captured_minor": 0,
        "refunded_minor": 0,
        "error": None,
        "livemode": False,
        "version": 3,
        "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:05.000Z",
    }
    return new_event(EventType.PAYMENT_SUCCESS, snapshot, merchant_id=merchant_id, now=now, traceparent=None)


def store_events(servers: Servers, endpoints: Sequence[Endpoint], number: int) -> list[Event]:
    """So many events, the endpoints' merchants taking turns, in one transaction, so that they appear all at once."""
    events = [payment_event(endpoints[index % len(endpoints)].merchant_id) for index in range(number)]

    async def store(database: Database) -> None:
        async with database.transaction() as connection:
            for start in range(0, number, EVENTS_A_STATEMENT):
                await insert_events(connection, events[start : start + EVENTS_A_STATEMENT])

    with_database(servers, store)
    return events


def ring(servers: Servers) -> None:
    """Say that something is due, as whoever commits an event does."""

    async def send() -> None:
        broker = DoorbellBroker(servers.redis_url, stream=WEBHOOKS_STREAM, consumer="bench")
        await broker.ring(DISPATCH_WEBHOOKS, [{}], [{}])
        await broker.shutdown()

    asyncio.run(send())


def forget_deliveries(servers: Servers) -> None:
    """Forget all events, deliveries and rings, and how endpoints fared."""
    execute(
        servers,
        "TRUNCATE webhook_attempts, webhook_deliveries, webhook_replays, events CASCADE",
        """
        UPDATE webhook_endpoint_health SET
            revision = revision + 1, look_at = NULL, tokens = 1, refilled_at = now(), consecutive_failures = 0,
            failing_since = NULL, blocked_until = NULL, allowance = NULL, trips = 0
        """,
        "VACUUM (ANALYZE) webhook_endpoint_health",
    )
    with redis.Redis.from_url(servers.redis_url) as client:
        client.delete(WEBHOOKS_STREAM)


def prove_deliveries(servers: Servers, expected: int) -> list[str]:
    """What is wrong with the deliveries: each must have been delivered by one attempt."""
    problems = [f"{wrong} {what}" for what, query in _PROOFS.items() if (wrong := count(servers, query))]
    stored = count(servers, "SELECT count(*) FROM webhook_deliveries")
    if stored != expected:
        problems.append(f"{stored} deliveries instead of {expected}")
    dialled = count(servers, "SELECT count(connect_ms) FROM webhook_attempts")
    print(f"{dialled / max(stored, 1):.1%} of the attempts opened a connection, the others had one that was kept")
    print(f"{stored} deliveries stored, " + ("WRONG" if problems else "each delivered by its first attempt"))
    return problems

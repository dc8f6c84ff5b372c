"""Webhook endpoints and events put straight into the database, and deliveries as its rows say they are."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Connection, Database
from gateway_common.events.model import Event, EventType, new_event
from gateway_common.events.store import insert_events
from gateway_common.ids import PAYMENT, WEBHOOK_ENDPOINT, new_id
from gateway_common.webhooks.model import EndpointStatus, WebhookEndpoint, with_status
from gateway_common.webhooks.sealing import seal_secret
from gateway_common.webhooks.signing import new_secret
from gateway_common.webhooks.store import insert_endpoint, lock_endpoint, save_endpoint

MERCHANT_ID = "mer_test"


@dataclass(frozen=True)
class Endpoint:
    id: str
    secret: str


async def add_endpoint(
    database: Database, keyring: Keyring, url: str, *, event_types: tuple[str, ...] = (), **values: Any
) -> Endpoint:
    """Register an endpoint of the test merchant, with such values of its own."""
    now = system_clock()
    endpoint_id, secret = new_id(WEBHOOK_ENDPOINT, now), new_secret()
    endpoint = WebhookEndpoint(
        id=endpoint_id,
        merchant_id=MERCHANT_ID,
        livemode=False,
        url=url,
        description=None,
        event_types=list(event_types),
        status=EndpointStatus.ENABLED,
        sealed_secret=seal_secret(keyring, secret, endpoint_id),
        created_at=now,
        updated_at=now,
        **values,
    )
    async with database.statement() as connection:
        await insert_endpoint(connection, endpoint)
    return Endpoint(endpoint_id, secret)


async def change_status(connection: Connection, endpoint_id: str, status: EndpointStatus) -> None:
    """Pause, enable or delete an endpoint of the test merchant, in the caller's transaction."""
    before = await lock_endpoint(connection, endpoint_id, merchant_id=MERCHANT_ID, livemode=False)
    await save_endpoint(connection, with_status(before, status, now=system_clock()), before=before)


def example_event(event_type: EventType = EventType.PAYMENT_CREATED) -> Event:
    """Something that happened to the test merchant just now."""
    now = system_clock()
    snapshot = {"object": "payment", "id": new_id(PAYMENT, now), "livemode": False, "description": "₹ “500”\u2028"}
    return new_event(event_type, snapshot, merchant_id=MERCHANT_ID, now=now, traceparent=None)


async def add_events(database: Database, count: int = 1, *, event_type: EventType = EventType.PAYMENT_CREATED) -> None:
    """Let something happen, that many times; each endpoint that wants to know gets a delivery of each."""
    async with database.statement() as connection:
        await insert_events(connection, [example_event(event_type) for _ in range(count)])


async def read_deliveries(database: Database, endpoint_id: str | None = None) -> list[dict[str, Any]]:
    """Deliveries, of one endpoint if asked, oldest first, each with the seconds from its change to its due time."""
    query = """
    SELECT *, extract(epoch FROM due_at - updated_at)::float AS due_in_seconds
    FROM webhook_deliveries WHERE endpoint_id = coalesce(:endpoint_id, endpoint_id) ORDER BY id
    """
    async with database.statement() as connection:
        rows = await connection.execute(text(query), {"endpoint_id": endpoint_id})
        return [dict(row) for row in rows.mappings()]


async def read_attempts(database: Database) -> list[dict[str, Any]]:
    async with database.statement() as connection:
        rows = await connection.execute(text("SELECT * FROM webhook_attempts ORDER BY delivery_id, number"))
        return [dict(row) for row in rows.mappings()]


async def make_due(database: Database, *, in_seconds: float = 0) -> None:
    """Let the database's time pass for every waiting delivery, until so long before it is due."""
    statements = (
        "UPDATE webhook_deliveries SET due_at = now() + make_interval(secs => :in_seconds) WHERE due_at IS NOT NULL",
        """
        UPDATE webhook_endpoint_health
        SET look_at = now() + make_interval(secs => :in_seconds), revision = revision + 1
        WHERE look_at IS NOT NULL
        """,
    )
    async with database.transaction() as connection:
        for statement in statements:
            await connection.execute(text(statement), {"in_seconds": in_seconds})


async def read_health(database: Database, endpoint_id: str) -> dict[str, Any]:
    """How the endpoint fares, with the seconds for which its breaker stays open."""
    query = """
    SELECT *, extract(epoch FROM blocked_until - now())::float AS blocked_for_seconds
    FROM webhook_endpoint_health WHERE endpoint_id = :endpoint_id
    """
    async with database.statement() as connection:
        row = (await connection.execute(text(query), {"endpoint_id": endpoint_id})).mappings().one()
        return dict(row)


async def let_pass(database: Database, endpoint_id: str, *, seconds: float) -> None:
    """Let the database's time pass for how the endpoint fares: what was or is to be then, lies so much further back."""
    columns = ("look_at", "failing_since", "last_attempt_at", "last_success_at", "blocked_until")
    changes = ", ".join(f"{column} = {column} - make_interval(secs => :seconds)" for column in columns)
    statement = f"UPDATE webhook_endpoint_health SET {changes}, revision = revision + 1 WHERE endpoint_id = :id"
    async with database.statement() as connection:
        await connection.execute(text(statement), {"id": endpoint_id, "seconds": seconds})

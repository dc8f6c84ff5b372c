"""Endpoints with many deliveries in flight and a long backlog do not keep others from the places that come free."""

import pytest
from sqlalchemy import text
from tests.support.deliveries import add_endpoint, add_events

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.events.model import EventType
from gateway_common.webhooks.claim_store import claim_deliveries

PLACES_FREED = 60
MAKE_RETRIES = (
    """
    UPDATE webhook_deliveries SET lane = 1, due_at = now() - interval '10 minutes' WHERE endpoint_id = :endpoint_id
    """,
    """
    UPDATE webhook_endpoint_health SET look_at = now(), revision = revision + 1 WHERE endpoint_id = :endpoint_id
    """,
)


@pytest.fixture
async def quick_id(database: Database, keyring: Keyring) -> str:
    """An endpoint for which one delivery came after three slow ones had taken all places."""
    for _ in range(3):
        await add_endpoint(
            database, keyring, "https://slow.example/", max_in_flight=100, event_types=("payment.created",)
        )
    quick = await add_endpoint(database, keyring, "https://quick.example/", event_types=("payment.failed",))
    await add_events(database, 200)
    await take(database, most=30)
    await add_events(database, event_type=EventType.PAYMENT_FAILED)
    return quick.id


async def take(database: Database, *, most: int = 1) -> list[str]:
    """The endpoints that get places."""
    async with database.statement() as connection:
        claimed = await claim_deliveries(connection, "wrk_1", most=most, in_flight_most=16)
    return [delivery.endpoint_id for delivery in claimed]


async def test_a_place_that_comes_free_goes_to_whoever_has_least_in_flight(database: Database, quick_id: str) -> None:
    assert await take(database) == [quick_id]


async def test_a_retry_gets_a_place_although_places_come_free_one_by_one(database: Database, quick_id: str) -> None:
    async with database.transaction() as connection:
        for statement in MAKE_RETRIES:
            await connection.execute(text(statement), {"endpoint_id": quick_id})

    taken = [endpoint_id for _ in range(PLACES_FREED) for endpoint_id in await take(database)]

    assert quick_id in taken

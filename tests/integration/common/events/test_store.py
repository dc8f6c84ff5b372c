"""Events and their deliveries on a real PostgreSQL: one of each per change, and only to endpoints that want it."""

from dataclasses import dataclass, replace

import pytest
from tests.support.examples import NOW
from tests.support.records import created_event, read_payment, read_rows, store_payments, write_rows

from gateway_common.db.database import Database, StatementRefusedError
from gateway_common.events.model import EventType
from gateway_common.events.store import insert_events
from gateway_common.ids import WEBHOOK_ENDPOINT, new_id
from gateway_common.payments import model
from gateway_common.payments.store import PaymentChange, save_payment
from gateway_common.webhooks.model import DisabledReason, EndpointStatus, WebhookEndpoint
from gateway_common.webhooks.store import insert_endpoint


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An endpoint, as far as these tests care."""

    name: str
    merchant_id: str = "mer_test"
    livemode: bool = False
    status: EndpointStatus = EndpointStatus.ENABLED
    event_types: tuple[str, ...] = ()


ENDPOINTS = (
    Wanted(name="wants all"),
    Wanted(name="wants created", event_types=("payment.created",)),
    Wanted(name="wants several", event_types=("refund.created", "payment.created", "payment.failed")),
    Wanted(name="wants success", event_types=("payment.success",)),
    Wanted(name="is disabled", status=EndpointStatus.DISABLED),
    Wanted(name="is paused", status=EndpointStatus.PAUSED),
    Wanted(name="is deleted", status=EndpointStatus.DELETED),
    Wanted(name="is another merchant's", merchant_id="mer_other"),
    Wanted(name="is live", livemode=True),
)


@pytest.fixture(autouse=True)
async def endpoints(database: Database) -> None:
    await write_rows(database, "INSERT INTO merchants VALUES ('mer_other', 'Other', now())")
    async with database.transaction() as connection:
        for wanted in ENDPOINTS:
            endpoint = WebhookEndpoint(
                id=new_id(WEBHOOK_ENDPOINT, NOW),
                merchant_id=wanted.merchant_id,
                livemode=wanted.livemode,
                url=f"https://example.com/{wanted.name}",
                description=wanted.name,
                event_types=list(wanted.event_types),
                status=wanted.status,
                disabled_reason=DisabledReason.GONE if wanted.status is EndpointStatus.DISABLED else None,
                sealed_secret=b"sealed",
                created_at=NOW,
                updated_at=NOW,
            )
            await insert_endpoint(connection, endpoint)


async def read_deliveries(database: Database, *, held: bool = False) -> list[tuple[str, str]]:
    """Type of event and name of endpoint of every delivery that is to go, or of those that are held."""
    query = f"""
    SELECT events.type, webhook_endpoints.description AS name
    FROM webhook_deliveries
    JOIN events ON events.id = event_id
    JOIN webhook_endpoints ON webhook_endpoints.id = endpoint_id
    WHERE webhook_deliveries.status {"=" if held else "<>"} 'held'
    """
    return sorted((row["type"], row["name"]) for row in await read_rows(database, query))


async def test_a_new_payments_event_goes_to_each_endpoint_that_wants_it_and_to_no_other(database: Database) -> None:
    await store_payments(database)

    assert await read_deliveries(database) == [
        ("payment.created", "wants all"),
        ("payment.created", "wants created"),
        ("payment.created", "wants several"),
    ]


async def test_what_a_paused_or_disabled_endpoint_would_get_is_held_for_it(database: Database) -> None:
    await store_payments(database)

    assert await read_deliveries(database, held=True) == [
        ("payment.created", "is disabled"),
        ("payment.created", "is paused"),
    ]


async def test_an_event_says_how_many_deliveries_it_was_given(database: Database) -> None:
    await store_payments(database, 3)
    await store_payments(database, 2, livemode=True)

    rows = await read_rows(
        database,
        """
        SELECT fan_out, (SELECT count(*) FROM webhook_deliveries WHERE event_id = events.id) AS deliveries
        FROM events ORDER BY livemode
        """,
    )
    assert [(row["fan_out"], row["deliveries"]) for row in rows] == [(5, 5)] * 3 + [(1, 1)] * 2


async def test_a_live_payments_event_stays_in_live_mode(database: Database) -> None:
    await store_payments(database, livemode=True)

    assert await read_deliveries(database) == [("payment.created", "is live")]


async def test_deliveries_are_due_at_once_and_say_how_many_they_are(database: Database) -> None:
    [payment] = await store_payments(database)
    after = model.move(payment, model.PaymentStatus.PROCESSING, NOW)

    async with database.transaction() as connection:
        count = await insert_events(connection, [created_event(after, EventType.PAYMENT_SUCCESS)])

    assert count == 4
    rows = await read_rows(
        database,
        """
        SELECT DISTINCT status, due_at <= now() AS due, attempts, worker_id FROM webhook_deliveries
        WHERE status <> 'held'
        """,
    )
    assert rows == [{"status": "pending", "due": True, "attempts": 0, "worker_id": None}]


async def test_a_change_and_its_event_are_written_together_or_not_at_all(database: Database) -> None:
    [payment] = await store_payments(database)
    after = model.move(payment, model.PaymentStatus.PROCESSING, NOW)
    change = PaymentChange(
        before=payment, after=after, events=(created_event(after, EventType.PAYMENT_PROCESSING),), due_in_seconds=0
    )
    refused = replace(change, after=replace(after, amount_captured_minor=-1))

    with pytest.raises(StatementRefusedError):
        async with database.transaction() as connection:
            await save_payment(connection, refused)
    assert await read_payment(database, payment.id) == payment
    assert len(await read_rows(database, "SELECT FROM events")) == 1

    async with database.transaction() as connection:
        await save_payment(connection, change)
        # The same decision again finds another version: no change, so no event.
        await save_payment(connection, change)
    assert await read_payment(database, payment.id) == after
    types = await read_rows(database, "SELECT type FROM events ORDER BY type")
    assert [row["type"] for row in types] == ["payment.created", "payment.processing"]


async def test_an_event_cannot_be_recorded_twice(database: Database) -> None:
    [payment] = await store_payments(database)
    event = created_event(payment)
    async with database.transaction() as connection:
        await insert_events(connection, [event])

    with pytest.raises(StatementRefusedError):
        async with database.transaction() as connection:
            await insert_events(connection, [event])

    assert len(await read_deliveries(database)) == 6


async def test_a_delivery_is_named_after_its_event_so_that_newer_ones_sort_later(database: Database) -> None:
    await store_payments(database, 3)

    rows = await read_rows(database, "SELECT id, event_id FROM webhook_deliveries")

    assert len({row["id"] for row in rows}) == len(rows) == 15
    assert {row["id"][4:16] for row in rows} == {row["event_id"][4:16] for row in rows}

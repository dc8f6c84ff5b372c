"""The one statement that stores new payments: with their order, card, event, deliveries and kept answer, in batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson
from sqlalchemy import Row, text

from gateway_common.db.database import Connection
from gateway_common.events.model import Event
from gateway_common.events.store import RECORD_EVENTS
from gateway_common.idempotency.model import StoredAnswer
from gateway_common.idempotency.store import LOCK_KEY
from gateway_common.payments.model import Payment


class Insertion(StrEnum):
    """What became of a new payment."""

    CREATED = "created"
    KEY_IN_PROGRESS = "key_in_progress"
    """Another transaction runs with the same Idempotency-Key."""
    KEY_TAKEN = "key_taken"
    """The Idempotency-Key has an answer already; read it in a statement of its own."""
    ORDER_REFUSED = "order_refused"
    """The order it names does not take it; read the order to say why. Or the key is taken: look for that first."""


@dataclass(frozen=True, slots=True)
class SealedCard:
    """A card's number and CVC, encrypted, and the id of the master key that did it."""

    key_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class NewPayment:
    """A payment to insert, with its event and, if there are any, its card and the answer to keep."""

    payment: Payment
    event: Event
    answer: StoredAnswer | None
    card: SealedCard | None = None


@dataclass(frozen=True, slots=True)
class Inserted:
    insertion: Insertion
    deliveries: int
    """How many webhook deliveries the whole batch brought; zero means nobody needs to be woken."""


# The lock on an order makes its row fresh: what `named_order` saw of it may be older than what `locked_order` says.
# Nobody waits for it: who holds it takes, pays or frees the order, and all other creates of the batch would wait along.
# Of several payments of one order in a batch the first that fits is taken; one whose key was answered before will not
# be made, so it goes last. The unique index on open payments stands behind it.
_ORDERS: Final = """
named_order AS MATERIALIZED (
    SELECT input.id AS payment_id, coalesce(
        (
            SELECT orders.id FROM orders
            WHERE orders.id = input.order_id
                AND orders.merchant_id = input.merchant_id AND orders.livemode = input.livemode
        ),
        (
            SELECT orders.id FROM orders
            WHERE orders.merchant_id = input.merchant_id AND orders.livemode = input.livemode
                AND orders.reference = input.order_id
        )
    ) AS order_id
    FROM input
    WHERE input.order_id IS NOT NULL AND input.locked
),
locked_order AS MATERIALIZED (
    SELECT orders.id, orders.amount_minor, orders.currency, orders.status, orders.payment_id
    FROM orders
    WHERE orders.id = ANY (ARRAY(SELECT order_id FROM named_order WHERE order_id IS NOT NULL))
    ORDER BY orders.id
    FOR NO KEY UPDATE SKIP LOCKED
),
binding AS MATERIALIZED (
    SELECT
        payment_id, order_id,
        fits AND row_number() OVER (PARTITION BY order_id ORDER BY fits DESC, is_repeated, payment_id) = 1 AS takes
    FROM (
        SELECT
            named_order.payment_id, named_order.order_id,
            locked_order.id IS NOT NULL AND locked_order.status <> 'paid' AND locked_order.payment_id IS NULL
                AND locked_order.amount_minor = input.amount_minor AND locked_order.currency = input.currency AS fits,
            input.key IS NOT NULL AND EXISTS (
                SELECT FROM idempotency_keys AS known
                WHERE known.merchant_id = input.merchant_id AND known.livemode = input.livemode
                    AND known.route = input.route AND known.key = input.key
            ) AS is_repeated
        FROM named_order
        LEFT JOIN locked_order ON locked_order.id = named_order.order_id
        JOIN input ON input.id = named_order.payment_id
        WHERE named_order.order_id IS NOT NULL
    ) AS candidate
),
"""
_INSERT = text(f"""
WITH row AS MATERIALIZED (
    SELECT row.*, row_number() OVER (PARTITION BY merchant_id, livemode, route, key ORDER BY id) AS turn
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS row (
        id text, merchant_id text, livemode boolean, order_id text, amount_minor bigint, currency text,
        method text, method_details jsonb, vpa text, description text, metadata jsonb, capture_method text,
        fee_basis_points integer, traceparent text, created_at timestamptz, event_id text, type text, body text,
        card_key_id text, sealed_card text,
        route text, key text, fingerprint text, response_status smallint, response_body text, request_id text
    )
),
input AS MATERIALIZED (
    SELECT row.*, CASE WHEN key IS NULL THEN true WHEN turn > 1 THEN false ELSE {LOCK_KEY.format("row.")} END AS locked
    FROM row
),
{_ORDERS}
acceptable AS (
    SELECT input.*, binding.order_id AS bound_order_id
    FROM input LEFT JOIN binding ON binding.payment_id = input.id
    WHERE locked AND binding.takes IS NOT false
),
answer AS (
    INSERT INTO idempotency_keys (
        merchant_id, livemode, route, key, fingerprint, response_status, response_body, request_id, created_at
    )
    SELECT
        merchant_id, livemode, route, key, decode(fingerprint, 'hex'), response_status,
        convert_to(response_body, 'UTF8'), request_id, created_at
    FROM acceptable
    WHERE key IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING merchant_id, livemode, route, key
),
created AS (
    INSERT INTO payments (
        id, merchant_id, livemode, order_id, bound_order_id, amount_minor, currency, method, method_details, vpa,
        description, metadata, capture_method, fee_basis_points, status, version, created_at, updated_at,
        traceparent, due_at, rung_at
    )
    SELECT
        id, merchant_id, livemode, order_id, bound_order_id, amount_minor, currency, method, method_details, vpa,
        description, metadata, capture_method, fee_basis_points, 'pending', 1, created_at, created_at,
        traceparent, now(), now()
    FROM acceptable
    WHERE key IS NULL
        OR (merchant_id, livemode, route, key) IN (SELECT merchant_id, livemode, route, key FROM answer)
    RETURNING id
),
attempted_order AS (
    UPDATE orders SET
        status = 'attempted', payment_id = binding.payment_id, attempts = attempts + 1, version = version + 1,
        updated_at = input.created_at
    FROM binding JOIN created ON created.id = binding.payment_id JOIN input ON input.id = created.id
    WHERE orders.id = binding.order_id
),
kept_card AS (
    INSERT INTO payment_cards (payment_id, key_id, sealed, created_at)
    SELECT id, card_key_id, decode(sealed_card, 'hex'), created_at
    FROM input
    WHERE sealed_card IS NOT NULL AND id IN (SELECT id FROM created)
),
new_event AS (
    SELECT event_id AS id, merchant_id, livemode, type, id AS object_id, body, traceparent, created_at
    FROM input
    WHERE id IN (SELECT id FROM created)
),
{RECORD_EVENTS}
SELECT
    input.id, input.locked, created.id IS NOT NULL AS created, binding.takes IS false AS order_refused,
    (SELECT count(*) FROM recorded_delivery) AS deliveries
FROM input LEFT JOIN created ON created.id = input.id LEFT JOIN binding ON binding.payment_id = input.id
""")


async def insert_payments(connection: Connection, batch: Sequence[NewPayment]) -> list[Inserted]:
    """Insert payments and all that belongs to them, as one statement.

    It marks them as rung for: the caller rings right after, and the sweeper a second later if that got lost.
    """
    rows = orjson.dumps([_insert_row(new) for new in batch]).decode()
    result = await connection.execute(_INSERT, {"rows": rows})
    found = {row.id: row for row in result}
    return [_inserted(found[new.payment.id]) for new in batch]


def _inserted(row: Row[Any]) -> Inserted:
    if row.created:
        return Inserted(Insertion.CREATED, row.deliveries)
    if not row.locked:
        return Inserted(Insertion.KEY_IN_PROGRESS, row.deliveries)
    return Inserted(Insertion.ORDER_REFUSED if row.order_refused else Insertion.KEY_TAKEN, row.deliveries)


def _insert_row(new: NewPayment) -> dict[str, Any]:
    payment, answer, card = new.payment, new.answer, new.card
    row = {
        "id": payment.id,
        "merchant_id": payment.merchant_id,
        "livemode": payment.livemode,
        "order_id": payment.order_id,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "method": payment.method,
        "method_details": payment.method_details,
        "vpa": payment.vpa,
        "description": payment.description,
        "metadata": payment.metadata,
        "capture_method": payment.capture_method,
        "fee_basis_points": payment.fee_basis_points,
        "traceparent": payment.traceparent,
        "created_at": payment.created_at,
        "event_id": new.event.id,
        "type": new.event.type,
        "body": new.event.body.decode(),
    }
    if card is not None:
        row |= {"card_key_id": card.key_id, "sealed_card": card.content.hex()}
    if answer is not None:
        row |= {
            "route": answer.scope.route,
            "key": answer.scope.key,
            "fingerprint": answer.fingerprint.hex(),
            "response_status": answer.status,
            "response_body": answer.body.decode(),
            "request_id": answer.request_id,
        }
    return row

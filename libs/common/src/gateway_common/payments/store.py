"""Every SQL statement of payments that reads one, or changes what it is. Leases and rings are in queue_store.py."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final

import orjson
from sqlalchemy import Row, func, select, text

from gateway_common.db.database import Connection
from gateway_common.errors import NotFoundError
from gateway_common.events.model import Event
from gateway_common.events.store import RECORD_EVENTS, event_row
from gateway_common.idempotency.model import StoredAnswer
from gateway_common.idempotency.store import LOCK_KEY
from gateway_common.payments.model import CaptureMethod, CaptureStatus, Payment, PaymentStatus
from gateway_common.payments.tables import payments

_COLUMNS: Final = [payments.c[field.name] for field in fields(Payment)]


class Insertion(StrEnum):
    """What became of a new payment."""

    CREATED = "created"
    KEY_IN_PROGRESS = "key_in_progress"
    """Another transaction runs with the same Idempotency-Key."""
    KEY_TAKEN = "key_taken"
    """The Idempotency-Key has an answer already; read it in a statement of its own."""


@dataclass(frozen=True, slots=True)
class NewPayment:
    """A payment to insert, with its event and, if the request had a key, the answer to keep."""

    payment: Payment
    event: Event
    answer: StoredAnswer | None


@dataclass(frozen=True, slots=True)
class Inserted:
    insertion: Insertion
    deliveries: int
    """How many webhook deliveries the whole batch brought; zero means nobody needs to be woken."""


_INSERT = text(f"""
WITH row AS MATERIALIZED (
    SELECT row.*, row_number() OVER (PARTITION BY merchant_id, livemode, route, key ORDER BY id) AS turn
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS row (
        id text, merchant_id text, livemode boolean, order_id text, amount_minor bigint, currency text,
        method text, vpa text, description text, metadata jsonb, capture_method text, traceparent text,
        created_at timestamptz, event_id text, type text, body text,
        route text, key text, fingerprint text, response_status smallint, response_body text
    )
),
input AS MATERIALIZED (
    SELECT row.*, CASE WHEN key IS NULL THEN true WHEN turn > 1 THEN false ELSE {LOCK_KEY.format("row.")} END AS locked
    FROM row
),
answer AS (
    INSERT INTO idempotency_keys (
        merchant_id, livemode, route, key, fingerprint, response_status, response_body, created_at
    )
    SELECT
        merchant_id, livemode, route, key, decode(fingerprint, 'hex'), response_status,
        convert_to(response_body, 'UTF8'), created_at
    FROM input
    WHERE key IS NOT NULL AND locked
    ON CONFLICT DO NOTHING
    RETURNING merchant_id, livemode, route, key
),
created AS (
    INSERT INTO payments (
        id, merchant_id, livemode, order_id, amount_minor, currency, method, vpa, description, metadata,
        capture_method, status, version, created_at, updated_at, traceparent, due_at, rung_at
    )
    SELECT
        id, merchant_id, livemode, order_id, amount_minor, currency, method, vpa, description, metadata,
        capture_method, 'pending', 1, created_at, created_at, traceparent, now(), now()
    FROM input
    WHERE key IS NULL OR (
        locked AND (merchant_id, livemode, route, key) IN (SELECT merchant_id, livemode, route, key FROM answer)
    )
    RETURNING id
),
new_event AS (
    SELECT event_id AS id, merchant_id, livemode, type, id AS object_id, body, traceparent, created_at
    FROM input
    WHERE id IN (SELECT id FROM created)
),
{RECORD_EVENTS}
SELECT
    input.id, input.locked, created.id IS NOT NULL AS created,
    (SELECT count(*) FROM recorded_delivery) AS deliveries
FROM input LEFT JOIN created ON created.id = input.id
""")


async def insert_payments(connection: Connection, batch: Sequence[NewPayment]) -> list[Inserted]:
    """Insert payments with their events, deliveries and idempotency answers, as one statement.

    It marks them as rung for: the caller rings right after, and the sweeper a second later if that got lost.
    """
    rows = orjson.dumps([_insert_row(new) for new in batch]).decode()
    result = await connection.execute(_INSERT, {"rows": rows})
    found = {row.id: row for row in result}
    return [_inserted(found[new.payment.id]) for new in batch]


def _inserted(row: Row[Any]) -> Inserted:
    if row.created:
        return Inserted(Insertion.CREATED, row.deliveries)
    return Inserted(Insertion.KEY_TAKEN if row.locked else Insertion.KEY_IN_PROGRESS, row.deliveries)


def _insert_row(new: NewPayment) -> dict[str, Any]:
    payment, answer = new.payment, new.answer
    row = {
        "id": payment.id,
        "merchant_id": payment.merchant_id,
        "livemode": payment.livemode,
        "order_id": payment.order_id,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "method": payment.method,
        "vpa": payment.vpa,
        "description": payment.description,
        "metadata": payment.metadata,
        "capture_method": payment.capture_method,
        "traceparent": payment.traceparent,
        "created_at": payment.created_at,
        "event_id": new.event.id,
        "type": new.event.type,
        "body": new.event.body.decode(),
    }
    if answer is not None:
        row |= {
            "route": answer.scope.route,
            "key": answer.scope.key,
            "fingerprint": answer.fingerprint.hex(),
            "response_status": answer.status,
            "response_body": answer.body.decode(),
        }
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentChange:
    """A decided change of one payment, with the events that tell of it.

    It is written only where the payment still has the version and the attempt of `before`.
    """

    before: Payment
    after: Payment
    events: tuple[Event, ...] = ()
    due_in_seconds: float | None = None
    """When the payment next needs a worker: 0 is now, None is never."""
    worker_id: str | None = None
    """Who takes the lease; only a claim says so."""


_CHANGE_COLUMNS: Final = """
id text, expected_version integer, expected_attempt integer, version integer, attempt integer,
operation_attempt integer, status text, error_code text, error_message text, capture_status text,
capture_number integer, amount_captured_minor bigint, amount_refunded_minor bigint,
amount_refund_reserved_minor bigint, needs_attention boolean, updated_at timestamptz,
due_in_seconds double precision, worker_id text
"""


def change_statement(*, lease: str, condition: str = "true") -> str:
    """The statement that writes changes; `lease` says what becomes of due time and holder.

    Rows are locked in id order, so that two batches can't wait for each other in a ring.
    """
    return f"""
WITH input AS (SELECT * FROM jsonb_to_recordset(CAST(:changes AS jsonb)) AS row ({_CHANGE_COLUMNS})),
locked AS (
    SELECT payments.id
    FROM payments JOIN input ON input.id = payments.id
    WHERE payments.version = input.expected_version AND payments.attempt = input.expected_attempt AND {condition}
    ORDER BY payments.id
    FOR NO KEY UPDATE OF payments
),
changed AS (
    UPDATE payments SET
        version = input.version, attempt = input.attempt, operation_attempt = input.operation_attempt,
        status = input.status, error_code = input.error_code, error_message = input.error_message,
        capture_status = input.capture_status, capture_number = input.capture_number,
        amount_captured_minor = input.amount_captured_minor,
        amount_refunded_minor = input.amount_refunded_minor,
        amount_refund_reserved_minor = input.amount_refund_reserved_minor,
        needs_attention = input.needs_attention, updated_at = input.updated_at, {lease}
    FROM input
    WHERE payments.id = input.id AND input.id IN (SELECT id FROM locked)
    RETURNING payments.id
),
new_event AS (
    SELECT event.*
    FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS event (
        id text, merchant_id text, livemode boolean, type text, object_id text, body text, traceparent text,
        created_at timestamptz
    )
    WHERE event.object_id IN (SELECT id FROM changed)
),
{RECORD_EVENTS}
SELECT changed.id, (SELECT count(*) FROM recorded_delivery) AS deliveries FROM changed
"""


# A merchant's decision leaves the lease to whoever holds it, and is rung for by the API right after the commit.
_SAVE = text(change_statement(lease="rung_at = now(), due_at = now() + make_interval(secs => input.due_in_seconds)"))


async def save_payment(connection: Connection, change: PaymentChange) -> None:
    """Write one change to a payment the caller's transaction has locked."""
    await connection.execute(_SAVE, change_parameters([change]))


def change_parameters(changes: Sequence[PaymentChange]) -> dict[str, str]:
    rows = [_change_row(change) for change in changes]
    events = [event_row(event) for change in changes for event in change.events]
    return {"changes": orjson.dumps(rows).decode(), "events": orjson.dumps(events).decode()}


def _change_row(change: PaymentChange) -> dict[str, Any]:
    before, after = change.before, change.after
    return {
        "id": after.id,
        "expected_version": before.version,
        "expected_attempt": before.attempt,
        "version": after.version,
        "attempt": after.attempt,
        "operation_attempt": after.operation_attempt,
        "status": after.status,
        "error_code": after.error_code,
        "error_message": after.error_message,
        "capture_status": after.capture_status,
        "capture_number": after.capture_number,
        "amount_captured_minor": after.amount_captured_minor,
        "amount_refunded_minor": after.amount_refunded_minor,
        "amount_refund_reserved_minor": after.amount_refund_reserved_minor,
        "needs_attention": after.needs_attention,
        "updated_at": after.updated_at,
        "due_in_seconds": change.due_in_seconds,
        "worker_id": change.worker_id,
    }


async def get_payment(
    connection: Connection, payment_id: str, *, merchant_id: str, livemode: bool, lock: bool = False
) -> Payment:
    """The merchant's payment, locked until the transaction ends if asked; NotFoundError."""
    query = select(*_COLUMNS).where(
        payments.c.id == payment_id, payments.c.merchant_id == merchant_id, payments.c.livemode == livemode
    )
    if lock:
        query = query.with_for_update(key_share=True)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such payment.")
    return _payment(row)


async def find_payments(connection: Connection, payment_ids: Sequence[str]) -> dict[str, Payment]:
    """Payments by id, whoever's they are: for workers."""
    query = select(*_COLUMNS).where(payments.c.id.in_(payment_ids))
    return {row.id: _payment(row) for row in await connection.execute(query)}


async def list_payments(
    connection: Connection,
    *,
    merchant_id: str,
    livemode: bool,
    limit: int,
    starting_after: str | None = None,
    status: PaymentStatus | None = None,
    order_id: str | None = None,
) -> list[Payment]:
    """At most `limit` payments, newest first, those older than `starting_after`."""
    query = (
        select(*_COLUMNS)
        .where(payments.c.merchant_id == merchant_id, payments.c.livemode == livemode)
        .order_by(payments.c.id.desc())
        .limit(limit)
    )
    if starting_after is not None:
        query = query.where(payments.c.id < starting_after)
    if status is not None:
        query = query.where(payments.c.status == status)
    if order_id is not None:
        query = query.where(payments.c.order_id == order_id)
    return [_payment(row) for row in await connection.execute(query)]


async def count_by_status(connection: Connection) -> dict[str, int]:
    """All payments by status; a scan of the table, for the test profile only."""
    query = select(payments.c.status, func.count()).group_by(payments.c.status)
    return dict((await connection.execute(query)).all())


def _payment(row: Row[Any]) -> Payment:
    values = row._asdict()
    values["status"] = PaymentStatus(values["status"])
    values["capture_method"] = CaptureMethod(values["capture_method"])
    if values["capture_status"] is not None:
        values["capture_status"] = CaptureStatus(values["capture_status"])
    return Payment(**values)

"""Every SQL statement of payments that reads one, or changes what it is.

Leases and rings are in queue_store.py, the hot create in create_store.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import ARRAY, Row, Text, any_, bindparam, func, or_, select, text

from gateway_common.db.database import Connection
from gateway_common.db.pages import made_between, newest_page
from gateway_common.errors import NotFoundError
from gateway_common.events.model import Event
from gateway_common.events.store import RECORD_EVENTS, event_row
from gateway_common.ids import PAYMENT
from gateway_common.ledger.model import Posting
from gateway_common.ledger.store import ENTRY_COLUMNS, RECORD_ENTRIES, entry_rows
from gateway_common.payments.model import (
    UNDER_WAY,
    CaptureMethod,
    CaptureStatus,
    Payment,
    PaymentMethod,
    PaymentStatus,
    ProviderAnswer,
    VoidStatus,
)
from gateway_common.payments.tables import payment_cards, payments

_COLUMNS: Final = [payments.c[field.name] for field in fields(Payment)]
# An array, not IN: one text for any number of ids, so that SQLAlchemy renders and PostgreSQL plans it once.
_FIND_MANY: Final = select(*_COLUMNS).where(payments.c.id == any_(bindparam("payment_ids", type_=ARRAY(Text))))


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentChange:
    """A decided change of one payment, with the events that tell of it.

    It is written only where the payment still has the version and the attempt of `before`.
    """

    before: Payment
    after: Payment
    events: tuple[Event, ...] = ()
    postings: tuple[Posting, ...] = ()
    """What the ledger says of it. A claim books nothing."""
    answer: ProviderAnswer | None = None
    """What the provider said, if it was asked."""
    due_in_seconds: float | None = None
    """When the payment next needs a worker: 0 is now, None is never."""
    worker_id: str | None = None
    """Who takes the lease; only a claim says so."""


_CHANGE_COLUMNS: Final = """
id text, expected_version integer, expected_attempt integer, version integer, attempt integer,
operation_attempt integer, status text, error_code text, error_message text, capture_status text,
capture_number integer, amount_captured_minor bigint, amount_refunded_minor bigint,
amount_refund_reserved_minor bigint, needs_attention boolean, updated_at timestamptz,
void_status text, authorization_expires_at timestamptz, provider text, provider_reference text, next_action jsonb,
request_expires_at timestamptz, has_news boolean, due_in_seconds double precision, worker_id text
"""
_EVENTS: Final = f"""
new_event AS (
    SELECT event.*
    FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS event (
        id text, merchant_id text, livemode boolean, type text, object_id text, body text, traceparent text,
        created_at timestamptz
    )
    WHERE event.object_id IN (SELECT id FROM changed)
),
{RECORD_EVENTS}
"""
# What a claim has no use for: an end of the payment that takes its card along, money, and the provider's answer.
_CONSEQUENCES: Final = f"""
forgotten_card AS (
    DELETE FROM payment_cards USING changed
    WHERE payment_cards.payment_id = changed.id AND changed.method = '{PaymentMethod.CARD}'
        AND changed.status NOT IN ({", ".join(f"'{status}'" for status in sorted(UNDER_WAY))})
),
recorded_answer AS (
    INSERT INTO provider_answers (
        payment_id, attempt, refund_id, provider, operation, outcome, code, message, reference, asked_at, answered_at
    )
    SELECT
        payment_id, attempt, refund_id, provider, operation, outcome, code, message, reference, asked_at, answered_at
    FROM jsonb_to_recordset(CAST(:answers AS jsonb)) AS answer (
        payment_id text, attempt integer, refund_id text, provider text, operation text, outcome text, code text,
        message text, reference text, asked_at timestamptz, answered_at timestamptz
    )
    WHERE payment_id IN (SELECT id FROM changed)
    -- An outcome that changes nothing is recorded again when the answer to its commit was lost.
    ON CONFLICT (payment_id, attempt) DO NOTHING
),
new_entry AS (
    SELECT entry.* FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS entry ({ENTRY_COLUMNS})
    WHERE entry.payment_id IN (SELECT id FROM changed)
),
{RECORD_ENTRIES},
"""


def change_statement(*, lease: str, condition: str = "true", is_claim: bool = False) -> str:
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
        needs_attention = input.needs_attention, updated_at = input.updated_at,
        void_status = input.void_status, authorization_expires_at = input.authorization_expires_at,
        provider = input.provider, provider_reference = input.provider_reference, next_action = input.next_action,
        request_expires_at = input.request_expires_at, has_news = input.has_news, {lease}
    FROM input
    WHERE payments.id = input.id AND input.id IN (SELECT id FROM locked)
    RETURNING payments.id, payments.status, payments.method
),
{"" if is_claim else _CONSEQUENCES}
{_EVENTS}
SELECT changed.id, (SELECT count(*) FROM recorded_delivery) AS deliveries FROM changed
"""


# A merchant's decision leaves the lease to whoever holds it, and is rung for by the API right after the commit.
_SAVE = text(change_statement(lease="rung_at = now(), due_at = now() + make_interval(secs => input.due_in_seconds)"))


async def save_payment(connection: Connection, change: PaymentChange) -> None:
    """Write one change to a payment the caller's transaction has locked."""
    await connection.execute(_SAVE, change_parameters([change]))


def change_parameters(changes: Sequence[PaymentChange], *, is_claim: bool = False) -> dict[str, str]:
    rows = [_change_row(change) for change in changes]
    events = [event_row(event) for change in changes for event in change.events]
    parameters: dict[str, list[Any]] = {"changes": rows, "events": events}
    if not is_claim:
        parameters["answers"] = [change.answer for change in changes if change.answer is not None]
        parameters["entries"] = [row for change in changes for row in entry_rows(change.postings)]
    return {name: orjson.dumps(value).decode() for name, value in parameters.items()}


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
        "void_status": after.void_status,
        "authorization_expires_at": after.authorization_expires_at,
        "provider": after.provider,
        "provider_reference": after.provider_reference,
        "next_action": after.next_action,
        "request_expires_at": after.request_expires_at,
        "has_news": after.has_news,
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
    rows = await connection.execute(_FIND_MANY, {"payment_ids": list(payment_ids)})
    return {row.id: _payment(row) for row in rows}


async def lock_resting_payments(connection: Connection, payment_ids: Sequence[str]) -> dict[str, Payment | None]:
    """Payments by id, whoever's they are, locked until the transaction ends; None for one that somebody is at: it is
    under lease, or its row is locked. What is not there is missing.
    """
    ids = list(payment_ids)
    free = (
        select(*_COLUMNS)
        .where(payments.c.id.in_(ids), payments.c.worker_id.is_(None))
        .order_by(payments.c.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    found: dict[str, Payment | None] = {row.id: _payment(row) for row in await connection.execute(free)}
    if len(found) == len(ids):
        return found
    known = await connection.scalars(select(payments.c.id).where(payments.c.id.in_(ids)))
    return {payment_id: found.get(payment_id) for payment_id in known}


async def save_payments(connection: Connection, changes: Sequence[PaymentChange]) -> None:
    """Write changes, each of another payment, to payments the caller's transaction has locked."""
    if changes:
        await connection.execute(_SAVE, change_parameters(changes))


async def list_payments(
    connection: Connection,
    *,
    merchant_id: str,
    livemode: bool,
    limit: int,
    starting_after: str | None = None,
    status: PaymentStatus | None = None,
    order_id: str | None = None,
    bound_order_id: str | None = None,
    method: PaymentMethod | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> list[Payment]:
    """At most `limit` payments, newest first, those older than `starting_after`.

    `order_id` is the merchant's word; with `bound_order_id`, the order it means, also what named the order otherwise.
    """
    query = newest_page(
        select(*_COLUMNS),
        payments,
        merchant_id=merchant_id,
        livemode=livemode,
        limit=limit,
        starting_after=starting_after,
    )
    if status is not None:
        query = query.where(payments.c.status == status)
    named, bound = payments.c.order_id == order_id, payments.c.bound_order_id == bound_order_id
    if order_id is not None and bound_order_id is not None:
        query = query.where(or_(named, bound))
    elif order_id is not None:
        query = query.where(named)
    if method is not None:
        query = query.where(payments.c.method == method)
    query = made_between(query, payments, PAYMENT, created_from, created_to)
    return [_payment(row) for row in await connection.execute(query)]


async def find_sealed_card(connection: Connection, payment_id: str) -> bytes | None:
    """The payment's card as it was sealed, or None if it is gone already."""
    sealed: bytes | None = await connection.scalar(
        select(payment_cards.c.sealed).where(payment_cards.c.payment_id == payment_id)
    )
    return sealed


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
    if values["void_status"] is not None:
        values["void_status"] = VoidStatus(values["void_status"])
    return Payment(**values)

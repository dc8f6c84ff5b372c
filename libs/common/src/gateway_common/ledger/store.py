"""Every SQL statement of the ledger. Entries are recorded with what they book, in its statement or transaction."""

from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Row, select, text

from gateway_common.db.database import Connection
from gateway_common.db.pages import newest_page
from gateway_common.ids import LEDGER_ENTRY, new_id
from gateway_common.ledger.model import Account, LedgerEntry, Posting, PostingKind
from gateway_common.ledger.tables import ledger_balances, ledger_entries

ENTRY_COLUMNS: Final = """
id text, transaction_id text, kind text, merchant_id text, livemode boolean, account text, currency text,
amount_minor bigint, payment_id text, refund_id text, created_at timestamptz
"""
# Put behind a CTE `new_entry` that yields these columns. The balances come last: everybody who books for a merchant
# waits for their rows, so they are locked for as short as can be, and always in the same order.
RECORD_ENTRIES: Final = """
recorded_entry AS (
    INSERT INTO ledger_entries (
        id, transaction_id, kind, merchant_id, livemode, account, currency, amount_minor, payment_id, refund_id,
        created_at
    )
    SELECT
        id, transaction_id, kind, merchant_id, livemode, account, currency, amount_minor, payment_id, refund_id,
        created_at
    FROM new_entry
    RETURNING merchant_id, livemode, account, currency, amount_minor
),
recorded_balance AS (
    INSERT INTO ledger_balances (merchant_id, livemode, account, currency, amount_minor)
    SELECT merchant_id, livemode, account, currency, sum(amount_minor)
    FROM recorded_entry
    GROUP BY merchant_id, livemode, account, currency
    ORDER BY merchant_id, livemode, account, currency
    ON CONFLICT (merchant_id, livemode, account, currency)
    DO UPDATE SET amount_minor = ledger_balances.amount_minor + excluded.amount_minor
)
"""
_INSERT = text(f"""
WITH new_entry AS (SELECT * FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS row ({ENTRY_COLUMNS})),
{RECORD_ENTRIES}
SELECT 1
""")
_ENTRY_COLUMNS: Final = [ledger_entries.c[name] for name in LedgerEntry.__dataclass_fields__]


def entry_rows(postings: Sequence[Posting]) -> list[dict[str, Any]]:
    """The lines of the postings as JSON rows for `new_entry`."""
    return [
        {
            "id": new_id(LEDGER_ENTRY, posting.created_at),
            "transaction_id": posting.transaction_id,
            "kind": posting.kind,
            "merchant_id": posting.merchant_id,
            "livemode": posting.livemode,
            "account": account,
            "currency": posting.currency,
            "amount_minor": amount_minor,
            "payment_id": posting.payment_id,
            "refund_id": posting.refund_id,
            "created_at": posting.created_at,
        }
        for posting in postings
        for account, amount_minor in posting.lines
    ]


async def insert_postings(connection: Connection, postings: Sequence[Posting]) -> None:
    """Book in the caller's transaction. StatementRefusedError at its commit if a posting does not balance."""
    await connection.execute(_INSERT, {"entries": orjson.dumps(entry_rows(postings)).decode()})


async def list_entries(
    connection: Connection,
    *,
    merchant_id: str,
    livemode: bool,
    limit: int,
    starting_after: str | None = None,
    payment_id: str | None = None,
) -> list[LedgerEntry]:
    """At most `limit` entries, newest first, those older than `starting_after`."""
    query = newest_page(
        select(*_ENTRY_COLUMNS),
        ledger_entries,
        merchant_id=merchant_id,
        livemode=livemode,
        limit=limit,
        starting_after=starting_after,
    )
    if payment_id is not None:
        query = query.where(ledger_entries.c.payment_id == payment_id)
    return [_entry(row) for row in await connection.execute(query)]


async def find_balances(connection: Connection, *, merchant_id: str, livemode: bool) -> dict[tuple[str, str], int]:
    """The merchant's balances in minor units, by currency and account."""
    query = select(ledger_balances.c.currency, ledger_balances.c.account, ledger_balances.c.amount_minor).where(
        ledger_balances.c.merchant_id == merchant_id, ledger_balances.c.livemode == livemode
    )
    return {(row.currency, row.account): row.amount_minor for row in await connection.execute(query)}


def _entry(row: Row[Any]) -> LedgerEntry:
    values = row._asdict()
    values["kind"] = PostingKind(values["kind"])
    values["account"] = Account(values["account"])
    return LedgerEntry(**values)

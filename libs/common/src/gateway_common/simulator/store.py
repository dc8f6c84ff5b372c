"""Every SQL statement of the simulator's account."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Row, text

from gateway_common.db.database import Connection
from gateway_common.simulator.model import (
    OperationKind,
    SimulatedOperation,
    SimulatedOutcome,
    authorization_key,
)

_NOW_SAYS: Final = """
CASE
    WHEN simulator_operations.next_at <= now() THEN simulator_operations.next_outcome
    ELSE simulator_operations.outcome
END
"""
_COLUMNS: Final = f"""
simulator_operations.key, kind, payment_id, amount_minor, currency, {_NOW_SAYS} AS outcome, answers, requests, asked,
refuses, expires_at, callback_copies, next_outcome, next_in_seconds,
CASE WHEN ready_at IS NOT NULL THEN greatest(extract(epoch FROM ready_at - now()), 0) END AS ready_in_seconds
"""
_FIRST: Final = "simulator_operations.requests = 0"
"""Nothing was taken up yet: what a request says that was refused does not count."""
_SAVE = text(f"""
WITH input AS (
    SELECT row.*, now() + make_interval(secs => ready_in_seconds) AS ready_at
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS row (
        key text, kind text, payment_id text, amount_minor bigint, currency text, outcome text, answers boolean,
        ready_in_seconds double precision, expires_at timestamptz, next_outcome text, next_in_seconds double precision,
        callback_copies integer, refuses integer[], withdraws text
    )
), saved AS (
    INSERT INTO simulator_operations (
        key, kind, payment_id, amount_minor, currency, outcome, answers, ready_at, expires_at, next_outcome,
        next_in_seconds, callback_copies, callback_at, refuses, requests, asked, created_at
    )
    SELECT
        key, kind, payment_id, amount_minor, currency, outcome, answers, ready_at, expires_at, next_outcome,
        next_in_seconds, callback_copies, CASE WHEN callback_copies > 0 AND next_outcome IS NULL THEN ready_at END,
        refuses, CASE WHEN 1 = ANY (refuses) THEN 0 ELSE 1 END, 1, now()
    FROM input
    ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
        asked = simulator_operations.asked + 1,
        requests = simulator_operations.requests
            + CASE WHEN simulator_operations.asked + 1 = ANY (simulator_operations.refuses) THEN 0 ELSE 1 END,
        outcome = CASE WHEN {_FIRST} THEN excluded.outcome ELSE simulator_operations.outcome END,
        ready_at = CASE WHEN {_FIRST} THEN excluded.ready_at ELSE simulator_operations.ready_at END,
        expires_at = CASE WHEN {_FIRST} THEN excluded.expires_at ELSE simulator_operations.expires_at END,
        callback_at = CASE WHEN {_FIRST} THEN excluded.callback_at ELSE simulator_operations.callback_at END
    RETURNING {_COLUMNS}
), withdrawn AS (
    -- Whoever voids what no customer has approved takes the request back.
    UPDATE simulator_operations
    SET outcome = 'withdrawn', ready_at = now(), next_outcome = NULL, next_at = NULL, callback_at = NULL
    FROM input JOIN saved ON saved.key = input.key
    WHERE simulator_operations.key = input.withdraws AND saved.requests > 0
        AND (
            simulator_operations.ready_at IS NULL OR simulator_operations.ready_at > now()
            OR {_NOW_SAYS} <> 'approved'
        )
)
SELECT * FROM saved
""")
_FIND = text(f"SELECT {_COLUMNS} FROM simulator_operations WHERE key = ANY (:keys) AND requests > 0")
# A late success is late because the payment has ended, not by the time of the day: so no run differs from another.
_START_LATE = text("""
WITH ended AS (
    SELECT simulator_operations.key
    FROM simulator_operations JOIN payments ON payments.id = simulator_operations.payment_id
    WHERE next_outcome IS NOT NULL AND next_at IS NULL AND payments.status = 'failed'
    ORDER BY simulator_operations.key
    LIMIT :most
    FOR NO KEY UPDATE OF simulator_operations SKIP LOCKED
)
UPDATE simulator_operations SET
    next_at = now() + make_interval(secs => next_in_seconds),
    callback_at = now() + make_interval(secs => next_in_seconds)
FROM ended WHERE simulator_operations.key = ended.key
""")
_SETTLE = text("""
UPDATE simulator_operations
SET outcome = :outcome, ready_at = now(), next_outcome = NULL, next_at = NULL, callback_at = NULL,
    callback_number = callback_number + 1
WHERE key = :key AND requests > 0 AND outcome <> 'withdrawn'
    AND (
        NOT :only_waiting
        OR ((ready_at IS NULL OR ready_at > now()) AND (expires_at IS NULL OR expires_at > now()))
    )
RETURNING key, payment_id, outcome, callback_number AS number, 1 AS copies
""")
_TAKE_CALLBACKS = text(f"""
WITH due AS (
    SELECT key FROM simulator_operations
    WHERE callback_at <= now()
    ORDER BY callback_at
    LIMIT :most
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE simulator_operations SET callback_at = NULL, callback_number = callback_number + 1
FROM due
WHERE simulator_operations.key = due.key
RETURNING simulator_operations.key, payment_id, {_NOW_SAYS} AS outcome, callback_number AS number,
    callback_copies AS copies
""")
_FIND_PAYEE = text("""
SELECT merchants.name FROM payments JOIN merchants ON merchants.id = payments.merchant_id WHERE payments.id = :id
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCallback:
    """What the simulator tells the gateway now: an authorization's outcome, so many times over."""

    key: str
    payment_id: str
    outcome: SimulatedOutcome
    number: int
    copies: int

    @property
    def event_id(self) -> str:
        """The same in every copy."""
        return f"{self.key}:{self.number}"


async def save_operations(connection: Connection, operations: Sequence[SimulatedOperation]) -> list[SimulatedOperation]:
    """Enter requests into the account; a key that was taken up before keeps its first answer and is counted."""
    fields = (
        *("key", "kind", "payment_id", "amount_minor", "currency", "outcome", "answers", "ready_in_seconds"),
        *("expires_at", "next_outcome", "next_in_seconds", "callback_copies", "refuses"),
    )
    rows = [
        {name: getattr(operation, name) for name in fields}
        | {"withdraws": authorization_key(operation.payment_id) if operation.kind is OperationKind.VOID else None}
        for operation in operations
    ]
    result = await connection.execute(_SAVE, {"rows": orjson.dumps(rows).decode()})
    saved = {row.key: _operation(row) for row in result}
    return [saved[operation.key] for operation in operations]


async def find_operations(connection: Connection, keys: Sequence[str]) -> list[SimulatedOperation | None]:
    """What the account says of each key; None where nothing was taken up."""
    result = await connection.execute(_FIND, {"keys": list(keys)})
    found = {row.key: _operation(row) for row in result}
    return [found.get(key) for key in keys]


async def start_late_successes(connection: Connection, *, most: int) -> None:
    """Have declines that are to be approved later approved when their time has passed since the payment failed."""
    await connection.execute(_START_LATE, {"most": most})


async def settle_authorization(
    connection: Connection, payment_id: str, outcome: SimulatedOutcome, *, only_waiting: bool = False
) -> SimulatedCallback | None:
    """Say what has become of a payment's authorization, and with it the callback that tells of it.

    None if it never came or was taken back, or, if asked so, if no customer is waited for any longer.
    """
    parameters = {"key": authorization_key(payment_id), "outcome": outcome, "only_waiting": only_waiting}
    row = (await connection.execute(_SETTLE, parameters)).one_or_none()
    return None if row is None else _simulated_callback(row)


async def take_due_callbacks(connection: Connection, *, most: int) -> list[SimulatedCallback]:
    """What is to be told now. It counts as told if the caller's transaction commits."""
    return [_simulated_callback(row) for row in await connection.execute(_TAKE_CALLBACKS, {"most": most})]


async def find_payee(connection: Connection, payment_id: str) -> str | None:
    """The name of the merchant that a payment is made to: the simulator knows its merchants, as a bank does."""
    name: str | None = await connection.scalar(_FIND_PAYEE, {"id": payment_id})
    return name


def _simulated_callback(row: Row[Any]) -> SimulatedCallback:
    values = row._asdict()
    return SimulatedCallback(**values | {"outcome": SimulatedOutcome(values["outcome"])})


def _operation(row: Row[Any]) -> SimulatedOperation:
    values = row._asdict()
    values["kind"] = OperationKind(values["kind"])
    values["outcome"] = SimulatedOutcome(values["outcome"])
    values["refuses"] = tuple(values["refuses"])
    if values["next_outcome"] is not None:
        values["next_outcome"] = SimulatedOutcome(values["next_outcome"])
    if values["ready_in_seconds"] is not None:
        values["ready_in_seconds"] = float(values["ready_in_seconds"])
    return SimulatedOperation(**values)

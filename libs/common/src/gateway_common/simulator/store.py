"""Every SQL statement of the simulator's account."""

from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Row, text

from gateway_common.db.database import Connection
from gateway_common.simulator.model import OperationKind, SimulatedOperation, SimulatedOutcome

_COLUMNS: Final = """
key, kind, payment_id, amount_minor, currency, outcome, answers, requests,
CASE WHEN ready_at IS NOT NULL THEN greatest(extract(epoch FROM ready_at - now()), 0) END AS ready_in_seconds
"""
_SAVE = text(f"""
INSERT INTO simulator_operations (
    key, kind, payment_id, amount_minor, currency, outcome, answers, ready_at, requests, created_at
)
SELECT
    key, kind, payment_id, amount_minor, currency, outcome, answers,
    now() + make_interval(secs => ready_in_seconds), 1, now()
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS row (
    key text, kind text, payment_id text, amount_minor bigint, currency text, outcome text, answers boolean,
    ready_in_seconds double precision
)
ORDER BY key
ON CONFLICT (key) DO UPDATE SET requests = simulator_operations.requests + 1
RETURNING {_COLUMNS}
""")
_FIND = text(f"SELECT {_COLUMNS} FROM simulator_operations WHERE key = ANY (:keys)")


async def save_operations(connection: Connection, operations: Sequence[SimulatedOperation]) -> list[SimulatedOperation]:
    """Enter requests into the account; a key that was asked before keeps its first answer and is counted."""
    fields = (
        "key",
        "kind",
        "payment_id",
        "amount_minor",
        "currency",
        "outcome",
        "answers",
        "ready_in_seconds",
    )
    rows = [{name: getattr(operation, name) for name in fields} for operation in operations]
    result = await connection.execute(_SAVE, {"rows": orjson.dumps(rows).decode()})
    saved = {row.key: _operation(row) for row in result}
    return [saved[operation.key] for operation in operations]


async def find_operations(connection: Connection, keys: Sequence[str]) -> list[SimulatedOperation | None]:
    """What the account says of each key; None where it was never asked."""
    result = await connection.execute(_FIND, {"keys": list(keys)})
    found = {row.key: _operation(row) for row in result}
    return [found.get(key) for key in keys]


def _operation(row: Row[Any]) -> SimulatedOperation:
    values = row._asdict()
    values["kind"] = OperationKind(values["kind"])
    values["outcome"] = SimulatedOutcome(values["outcome"])
    if values["ready_in_seconds"] is not None:
        values["ready_in_seconds"] = float(values["ready_in_seconds"])
    return SimulatedOperation(**values)

"""Every SQL statement of idempotency keys, but for the hot create, which claims its key in its own statement."""

from typing import Final

from sqlalchemy import text

from gateway_common.db.database import Connection
from gateway_common.idempotency.model import IdempotencyScope, StoredAnswer

LOCK_KEY: Final = """
pg_try_advisory_xact_lock(hashtextextended(
    concat_ws(' ', {0}merchant_id, {0}livemode, {0}route, {0}key), 4611686018427387903
))
"""
"""Whether no other transaction runs with this key. A plain insert would wait for that one instead, and could then
not see its row. Two keys of one hash only make one of them try again."""

_LOCK = text(f"""
SELECT {LOCK_KEY.format("row.")}
FROM (SELECT
    CAST(:merchant_id AS text) AS merchant_id, CAST(:livemode AS boolean) AS livemode,
    CAST(:route AS text) AS route, CAST(:key AS text) AS key
) AS row
""")
_FIND = text("""
SELECT fingerprint, response_status, response_body, sealed, created_at
FROM idempotency_keys
WHERE merchant_id = :merchant_id AND livemode = :livemode AND route = :route AND key = :key
""")
_INSERT = text("""
INSERT INTO idempotency_keys (
    merchant_id, livemode, route, key, fingerprint, response_status, response_body, sealed, created_at
)
VALUES (:merchant_id, :livemode, :route, :key, :fingerprint, :status, :body, :sealed, :created_at)
""")


async def lock_key(connection: Connection, scope: IdempotencyScope) -> bool:
    """Take the key for this transaction; False if another one has it. Read what it left in a later statement."""
    locked: bool = await connection.scalar(_LOCK, _parameters(scope))
    return locked


async def find_answer(connection: Connection, scope: IdempotencyScope) -> StoredAnswer | None:
    row = (await connection.execute(_FIND, _parameters(scope))).one_or_none()
    if row is None:
        return None
    return StoredAnswer(
        scope=scope,
        fingerprint=row.fingerprint,
        status=row.response_status,
        body=row.response_body,
        sealed=row.sealed,
        created_at=row.created_at,
    )


async def insert_answer(connection: Connection, answer: StoredAnswer) -> None:
    parameters = _parameters(answer.scope) | {
        "fingerprint": answer.fingerprint,
        "status": answer.status,
        "body": answer.body,
        "sealed": answer.sealed,
        "created_at": answer.created_at,
    }
    await connection.execute(_INSERT, parameters)


def _parameters(scope: IdempotencyScope) -> dict[str, object]:
    return {
        "merchant_id": scope.merchant_id,
        "livemode": scope.livemode,
        "route": scope.route,
        "key": scope.key,
    }

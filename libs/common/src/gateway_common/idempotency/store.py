"""Every SQL statement of idempotency keys, but for the hot create, which claims its key in its own statement."""

from datetime import datetime
from typing import Final

from sqlalchemy import text

from gateway_common.db.database import Connection
from gateway_common.idempotency.model import IdempotencyScope, KeyUse, StoredAnswer

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
SELECT fingerprint, response_status, response_body, request_id, sealed, created_at
FROM idempotency_keys
WHERE merchant_id = :merchant_id AND livemode = :livemode AND route = :route AND key = :key
""")
_INSERT = text("""
INSERT INTO idempotency_keys (
    merchant_id, livemode, route, key, fingerprint, response_status, response_body, request_id, sealed, created_at
)
VALUES (:merchant_id, :livemode, :route, :key, :fingerprint, :status, :body, :request_id, :sealed, :created_at)
""")
_COUNT_REPLAY = text("""
UPDATE idempotency_keys SET replays = replays + 1, last_replayed_at = :now
WHERE merchant_id = :merchant_id AND livemode = :livemode AND route = :route AND key = :key
""")
_LIST_USES = text("""
SELECT
    key, route, response_status AS status, CASE WHEN NOT sealed THEN response_body END AS body, request_id, replays,
    last_replayed_at, created_at
FROM idempotency_keys
WHERE merchant_id = :merchant_id AND livemode = :livemode AND route = ANY (:routes) AND key = :key
ORDER BY created_at DESC, route
""")
_PURGE = text("""
DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM idempotency_keys WHERE created_at < :before ORDER BY created_at LIMIT :most FOR UPDATE SKIP LOCKED
))
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
        request_id=row.request_id,
    )


async def insert_answer(connection: Connection, answer: StoredAnswer) -> None:
    parameters = _parameters(answer.scope) | {
        "fingerprint": answer.fingerprint,
        "status": answer.status,
        "body": answer.body,
        "sealed": answer.sealed,
        "created_at": answer.created_at,
        "request_id": answer.request_id,
    }
    await connection.execute(_INSERT, parameters)


async def count_replay(connection: Connection, scope: IdempotencyScope, now: datetime) -> None:
    """Note that the answer was given again."""
    await connection.execute(_COUNT_REPLAY, _parameters(scope) | {"now": now})


async def list_key_uses(
    connection: Connection, key: str, *, merchant_id: str, livemode: bool, routes: list[str]
) -> list[KeyUse]:
    """The answers the merchant has had under this key on these routes, the latest first."""
    parameters = {"key": key, "merchant_id": merchant_id, "livemode": livemode, "routes": routes}
    return [KeyUse(**row._asdict()) for row in await connection.execute(_LIST_USES, parameters)]


async def purge_answers(connection: Connection, *, before: datetime, most: int = 1_000) -> int:
    """Forget answers older than this, some at a time; how many there were."""
    return (await connection.execute(_PURGE, {"before": before, "most": most})).rowcount


def _parameters(scope: IdempotencyScope) -> dict[str, object]:
    return {
        "merchant_id": scope.merchant_id,
        "livemode": scope.livemode,
        "route": scope.route,
        "key": scope.key,
    }

"""Every SQL statement of merchants and API keys."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Row, select, text, update
from sqlalchemy.dialects.postgresql import Insert, insert

from gateway_common.db.database import Connection
from gateway_common.errors import NotFoundError
from gateway_common.merchants.model import LAST_USE_STEP, ApiKey, KeyUse, LateSuccess, Merchant, Scope
from gateway_common.merchants.tables import api_keys, merchants

_KEY_COLUMNS: Final = [api_keys.c[field.name] for field in fields(ApiKey) if field.name in api_keys.c]
_MERCHANT_COLUMNS: Final = [
    merchants.c.name.label("merchant_name"),
    merchants.c.fee_basis_points.label("merchant_fee_basis_points"),
]
_SELECT_KEY: Final = select(*_KEY_COLUMNS, *_MERCHANT_COLUMNS).join(merchants)
# Rows are locked in the order of their ids. What several processes note of one minute is one write: who waits for
# the lock reads the row again, and its condition then.
_RECORD_USES = text("""
WITH used AS (
    SELECT *
    FROM jsonb_to_recordset(CAST(:uses AS jsonb))
        AS row (key_id text, used_at timestamptz, seen_hash text, renewed_hash text)
), found AS (
    SELECT api_keys.id, used.*
    FROM api_keys JOIN used ON used.key_id = api_keys.id
    WHERE api_keys.last_used_at IS NULL
        OR api_keys.last_used_at <= used.used_at - CAST(:step AS interval)
        OR (used.renewed_hash IS NOT NULL AND api_keys.secret_hash = used.seen_hash)
    ORDER BY api_keys.id
    FOR NO KEY UPDATE OF api_keys
)
UPDATE api_keys
SET last_used_at = greatest(api_keys.last_used_at, found.used_at),
    secret_hash = CASE
        WHEN api_keys.secret_hash = found.seen_hash THEN coalesce(found.renewed_hash, api_keys.secret_hash)
        ELSE api_keys.secret_hash
    END
FROM found
WHERE api_keys.id = found.id
""")
_COUNT_OLD_HASHES = text("""
SELECT count(*) FROM api_keys
WHERE split_part(secret_hash, ':', 1) <> :current_key_id
    AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
""")
_COUNT_HASHES_BY_KEY_ID = text("""
SELECT split_part(secret_hash, ':', 1) AS key_id, count(*) AS keys
FROM api_keys
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
GROUP BY 1
""")


async def find_api_key(connection: Connection, key_id: str) -> ApiKey | None:
    """The key of this id, whoever's it is."""
    row = (await connection.execute(_SELECT_KEY.where(api_keys.c.id == key_id))).one_or_none()
    return None if row is None else _key(row)


async def get_api_key(
    connection: Connection,
    key_id: str,
    *,
    merchant_id: str | None = None,
    livemode: bool | None = None,
    lock: bool = False,
) -> ApiKey:
    """The key, of this merchant and mode unless they are left open; NotFoundError. `lock` keeps others from it."""
    query = _SELECT_KEY.where(api_keys.c.id == key_id)
    if merchant_id is not None:
        query = query.where(api_keys.c.merchant_id == merchant_id)
    if livemode is not None:
        query = query.where(api_keys.c.livemode == livemode)
    if lock:
        query = query.with_for_update(of=api_keys, key_share=True)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such API key.")
    return _key(row)


async def list_api_keys(
    connection: Connection,
    *,
    merchant_id: str,
    livemode: bool | None = None,
    limit: int,
    starting_after: str | None = None,
) -> list[ApiKey]:
    """At most `limit` keys, newest first, those older than `starting_after`; of both modes if none is given."""
    query = _SELECT_KEY.where(api_keys.c.merchant_id == merchant_id).order_by(api_keys.c.id.desc()).limit(limit)
    if livemode is not None:
        query = query.where(api_keys.c.livemode == livemode)
    if starting_after is not None:
        query = query.where(api_keys.c.id < starting_after)
    return [_key(row) for row in await connection.execute(query)]


async def insert_api_key(connection: Connection, key: ApiKey) -> None:
    await connection.execute(_insert_key(key))


async def insert_successor(connection: Connection, retired: ApiKey, successor: ApiKey) -> None:
    """Store both halves of a rotation: the successor, and the end of the key that names it."""
    await insert_api_key(connection, successor)
    await save_api_key(connection, retired)


async def save_api_key(connection: Connection, key: ApiKey) -> None:
    """Insert the key, or make it what it is here. When it was made and last used stays."""
    values = _insert_key(key)
    names = ("name", "scopes", "secret_hash", "expires_at", "revoked_at", "replaced_by")
    update = {name: values.excluded[name] for name in names}
    await connection.execute(values.on_conflict_do_update(index_elements=["id"], set_=update))


async def record_key_uses(connection: Connection, uses: Sequence[KeyUse]) -> int:
    """Write when keys were last used, where that was a minute ago, and hashes renewed; how many rows it wrote."""
    parameters = {"uses": orjson.dumps([asdict(use) for use in uses]).decode(), "step": LAST_USE_STEP}
    return (await connection.execute(_RECORD_USES, parameters)).rowcount


async def count_old_hashes(connection: Connection, current_key_id: str, now: datetime) -> int:
    """How many active keys only an older master key verifies."""
    count: int = await connection.scalar(_COUNT_OLD_HASHES, {"current_key_id": current_key_id, "now": now})
    return count


async def count_hashes_by_key_id(connection: Connection, now: datetime) -> dict[str, int]:
    """How many active keys each master key verifies, by that one's id."""
    rows = await connection.execute(_COUNT_HASHES_BY_KEY_ID, {"now": now})
    return {row.key_id: row.keys for row in rows}


async def get_merchant(connection: Connection, merchant_id: str) -> Merchant:
    """The merchant; NotFoundError."""
    row = (await connection.execute(select(merchants).where(merchants.c.id == merchant_id))).one_or_none()
    if row is None:
        raise NotFoundError("There is no such merchant.")
    return _merchant(row)


async def list_merchants(connection: Connection, *, limit: int, starting_after: str | None = None) -> list[Merchant]:
    """At most `limit` merchants, newest first, those older than `starting_after`."""
    query = select(merchants).order_by(merchants.c.id.desc()).limit(limit)
    if starting_after is not None:
        query = query.where(merchants.c.id < starting_after)
    return [_merchant(row) for row in await connection.execute(query)]


async def insert_merchant(connection: Connection, merchant: Merchant) -> None:
    await connection.execute(insert(merchants).values(asdict(merchant)))


async def save_late_success(connection: Connection, merchant_id: str, late_success: LateSuccess) -> None:
    """Say what the merchant wants of late successes; NotFoundError."""
    change = update(merchants).where(merchants.c.id == merchant_id).values(late_success=late_success)
    if (await connection.execute(change)).rowcount == 0:
        raise NotFoundError("There is no such merchant.")


async def save_merchant(connection: Connection, merchant_id: str, name: str, now: datetime) -> None:
    """Insert the merchant, or give it the name."""
    values = insert(merchants).values(id=merchant_id, name=name, created_at=now)
    await connection.execute(values.on_conflict_do_update(index_elements=["id"], set_={"name": name}))


def _merchant(row: Row[Any]) -> Merchant:
    values = row._asdict()
    values["late_success"] = LateSuccess(values["late_success"])
    return Merchant(**values)


def _insert_key(key: ApiKey) -> Insert:
    values = {column.name: getattr(key, column.name) for column in _KEY_COLUMNS}
    return insert(api_keys).values(values | {"scopes": sorted(key.scopes)})


def _key(row: Row[Any]) -> ApiKey:
    values = row._asdict()
    values["scopes"] = frozenset(map(Scope, values["scopes"]))
    return ApiKey(**values)

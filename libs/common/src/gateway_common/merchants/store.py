"""Every SQL statement of merchants and API keys."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from gateway_common.db.database import Connection
from gateway_common.merchants.model import ApiKey
from gateway_common.merchants.tables import api_keys, merchants

_FIND_KEY = select(
    api_keys.c.id,
    api_keys.c.merchant_id,
    merchants.c.name.label("merchant_name"),
    api_keys.c.livemode,
    api_keys.c.secret_hash,
    api_keys.c.expires_at,
    api_keys.c.revoked_at,
).join(merchants)


async def find_api_key(connection: Connection, key_id: str) -> ApiKey | None:
    row = (await connection.execute(_FIND_KEY.where(api_keys.c.id == key_id))).one_or_none()
    return None if row is None else ApiKey(**row._asdict())


async def save_merchant(connection: Connection, merchant_id: str, name: str, now: datetime) -> None:
    """Insert the merchant, or give it the name."""
    values = insert(merchants).values(id=merchant_id, name=name, created_at=now)
    await connection.execute(values.on_conflict_do_update(index_elements=["id"], set_={"name": name}))


async def save_api_key(connection: Connection, key: ApiKey, now: datetime) -> None:
    """Insert the key, or give it this secret and these dates."""
    values = insert(api_keys).values(
        id=key.id,
        merchant_id=key.merchant_id,
        livemode=key.livemode,
        secret_hash=key.secret_hash,
        created_at=now,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )
    update = {name: values.excluded[name] for name in ("secret_hash", "expires_at", "revoked_at")}
    await connection.execute(values.on_conflict_do_update(index_elements=["id"], set_=update))

"""What an operator does to merchants and their API keys. The rules and the rows are in gateway_common.merchants."""

from dataclasses import dataclass
from datetime import timedelta

from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.ids import MERCHANT, new_id
from gateway_common.merchants.model import (
    ApiKey,
    LateSuccess,
    Merchant,
    Scope,
    decide_revocation,
    decide_rotation,
    new_api_key,
    new_key_id,
    new_secret,
)
from gateway_common.merchants.store import (
    get_api_key,
    get_merchant,
    insert_api_key,
    insert_merchant,
    insert_successor,
    list_api_keys,
    list_merchants,
    save_api_key,
    save_late_success,
)

PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedKey:
    """A key as the operator asks for it."""

    merchant_id: str
    livemode: bool
    name: str | None
    scopes: frozenset[Scope]
    lifetime: timedelta | None


async def create_merchant(database: Database, name: str, fee_basis_points: int) -> Merchant:
    now = system_clock()
    merchant = Merchant(id=new_id(MERCHANT, now), name=name, fee_basis_points=fee_basis_points, created_at=now)
    async with database.transaction() as connection:
        await insert_merchant(connection, merchant)
    return merchant


async def find_merchants(database: Database) -> list[Merchant]:
    """Every merchant, newest first."""
    found: list[Merchant] = []
    while len(found) % PAGE == 0:
        async with database.statement() as connection:
            after = found[-1].id if found else None
            page = await list_merchants(connection, limit=PAGE, starting_after=after)
        if not page:
            break
        found += page
    return found


async def update_merchant(database: Database, merchant_id: str, late_success: LateSuccess) -> Merchant:
    """The merchant with what it wants of late successes; NotFoundError."""
    async with database.transaction() as connection:
        await save_late_success(connection, merchant_id, late_success)
        return await get_merchant(connection, merchant_id)


async def create_key(database: Database, keyring: Keyring, wanted: WantedKey) -> tuple[ApiKey, str]:
    """Make a key and its secret; NotFoundError for an unknown merchant."""
    now, secret = system_clock(), new_secret(livemode=wanted.livemode)
    async with database.transaction() as connection:
        merchant = await get_merchant(connection, wanted.merchant_id)
        key = new_api_key(
            merchant,
            keyring.hash_secret(secret),
            livemode=wanted.livemode,
            name=wanted.name,
            scopes=wanted.scopes,
            expires_at=now + wanted.lifetime if wanted.lifetime else None,
            now=now,
        )
        await insert_api_key(connection, key)
    return key, secret


async def find_keys(database: Database, merchant_id: str) -> list[ApiKey]:
    """Every key of a merchant, of both modes; NotFoundError for an unknown merchant."""
    found: list[ApiKey] = []
    async with database.statement() as connection:
        await get_merchant(connection, merchant_id)
        while len(found) % PAGE == 0:
            after = found[-1].id if found else None
            page = await list_api_keys(connection, merchant_id=merchant_id, limit=PAGE, starting_after=after)
            if not page:
                break
            found += page
    return found


async def rotate_key(
    database: Database, keyring: Keyring, key_id: str, overlap: timedelta
) -> tuple[ApiKey, ApiKey, str]:
    """The key as it ends, its successor, and that one's secret; NotFoundError, ConflictError."""
    now = system_clock()
    async with database.transaction() as connection:
        key = await get_api_key(connection, key_id, lock=True)
        secret = new_secret(livemode=key.livemode)
        successor_id = new_key_id(now, livemode=key.livemode)
        retired, successor = decide_rotation(key, successor_id, keyring.hash_secret(secret), overlap=overlap, now=now)
        await insert_successor(connection, retired, successor)
    return retired, successor, secret


async def revoke_key(database: Database, key_id: str) -> ApiKey:
    """The key as it is once revoked; NotFoundError."""
    async with database.transaction() as connection:
        key = decide_revocation(await get_api_key(connection, key_id, lock=True), system_clock())
        await save_api_key(connection, key)
    return key

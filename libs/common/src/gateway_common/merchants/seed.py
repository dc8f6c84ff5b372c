"""The test merchant of the local profile. Its key is in every README, so it must never be in a real database."""

from typing import Final

from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.merchants.model import ALL_SCOPES, ApiKey
from gateway_common.merchants.store import save_api_key, save_merchant
from gateway_common.settings import normalize_database_url

TEST_MERCHANT_ID: Final = "mer_test"
TEST_KEY: Final = "key_test_abc123"
TEST_SECRET: Final = "secret_test_xyz789"  # noqa: S105 -- published in the README, for the local profile only.


async def seed_test_merchant(database_url: str, master_key: str) -> None:
    """Make the test merchant and its key, or put them right. Safe to run twice."""
    database = Database(normalize_database_url(database_url), application_name="gateway-seed", pool_size=1)
    now = system_clock()
    key = ApiKey(
        id=TEST_KEY,
        merchant_id=TEST_MERCHANT_ID,
        merchant_name="Test Merchant",
        merchant_fee_basis_points=0,
        livemode=False,
        name="Test key",
        scopes=ALL_SCOPES,
        secret_hash=Keyring(master_key).hash_secret(TEST_SECRET),
        created_at=now,
    )
    try:
        async with database.transaction() as connection:
            await save_merchant(connection, key.merchant_id, key.merchant_name, now)
            await save_api_key(connection, key)
    finally:
        await database.close()

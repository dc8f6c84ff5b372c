"""When a key was last used: written outside the request, at most once a minute, whatever the database does."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.support.api import KEYS, Api, expect, running_api
from tests.support.api_process import running_api_process
from tests.support.proxy import line_to
from tests.support.records import read_rows

from gateway_api.auth import CACHED_SECONDS
from gateway_api.key_uses import NOTED_MOST, KeyUses
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database, DatabaseUnavailableError
from gateway_common.merchants.model import ApiKey
from gateway_common.merchants.seed import TEST_KEY, TEST_SECRET
from gateway_common.merchants.store import find_api_key
from gateway_common.settings import normalize_database_url

NOON: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
NEWER_KEY: Final = base64.b64encode(bytes(range(1, 33))).decode()


async def read_row(database: Database, key_id: str = TEST_KEY) -> dict[str, Any]:
    [row] = await read_rows(database, "SELECT last_used_at, secret_hash, xmin FROM api_keys WHERE id = :id", id=key_id)
    return row


async def read_key(database: Database) -> ApiKey:
    async with database.statement() as connection:
        key = await find_api_key(connection, TEST_KEY)
    assert key is not None
    return key


async def test_a_use_is_written_beside_the_requests_and_shown(api: Api) -> None:
    assert (await read_row(api.database))["last_used_at"] is None
    expect(200, await api.client.get("/api/v1/payments"))
    assert (await read_row(api.database))["last_used_at"] is None

    await api.uses.flush()

    shown = expect(200, await api.client.get(f"/api/v1/api-keys/{TEST_KEY}"))["last_used_at"]
    assert abs(datetime.now(UTC) - datetime.fromisoformat(shown)) < timedelta(seconds=30)


async def test_the_use_of_a_publishable_key_counts_and_a_wrong_secret_does_not(api: Api) -> None:
    await api.add_key("key_test_shop", "mer_a", "secret")
    await api.add_key("key_test_guessed", "mer_a", "secret")
    async with api.browser(**{"X-Api-Key": "key_test_shop"}) as client:
        expect(200, await client.get("/api/v1/checkout/orders/ord_1"))
    await api.client.get("/api/v1/payments", headers={"X-Api-Key": "key_test_guessed", "X-Api-Secret": "guess"})

    await api.uses.flush()

    assert (await read_row(api.database, "key_test_shop"))["last_used_at"] is not None
    assert (await read_row(api.database, "key_test_guessed"))["last_used_at"] is None


async def test_a_key_is_written_at_most_once_a_minute_by_all_processes_together(database: Database) -> None:
    written = []
    for seconds in (0, 20, 59.9, 60, 100, 121):
        processes = [KeyUses(database) for _ in range(3)]
        key = await read_key(database)
        for process in processes:
            process.note(key, NOON + timedelta(seconds=seconds))
        before = await read_row(database)
        await asyncio.gather(*(process.flush() for process in processes))
        after = await read_row(database)
        if before["xmin"] != after["xmin"]:
            written.append((seconds, (after["last_used_at"] - NOON).total_seconds()))

    assert written == [(0, 0), (60, 60), (121, 121)]


async def test_processes_that_know_an_old_row_still_write_once(database: Database) -> None:
    key = await read_key(database)
    versions = set()
    for _ in range(5):
        process = KeyUses(database)
        process.note(key, NOON)
        await process.flush()
        versions.add((await read_row(database))["xmin"])

    assert len(versions) == 1


async def test_an_outage_loses_nothing_but_time(database_url: str, database: Database) -> None:
    key = await read_key(database)
    async with line_to(normalize_database_url(database_url)) as (line, url):
        distant = Database(url, application_name="test-uses", pool_size=1)
        uses = KeyUses(distant)
        uses.note(key, NOON)
        line.cut()
        with pytest.raises(DatabaseUnavailableError):
            await uses.flush()
        uses.note(key, NOON + timedelta(seconds=5))
        with pytest.raises(DatabaseUnavailableError):
            await uses.flush()
        line.mend()
        await uses.flush()
        await distant.close()

    assert (await read_row(database))["last_used_at"] == NOON + timedelta(seconds=5)


async def test_a_long_outage_fills_no_memory(database: Database) -> None:
    key = await read_key(database)
    uses = KeyUses(database)

    for number in range(NOTED_MOST + 100):
        uses.note(ApiKey(**{name: getattr(key, name) for name in key.__slots__} | {"id": f"key_test_{number}"}), NOON)

    assert len(uses._noted) == NOTED_MOST
    await uses.flush()
    assert len(uses._noted) == 0


async def test_what_is_noted_is_written_when_the_process_ends(
    database_url: str, redis_url: str, master_key: str, database: Database, tmp_path: Path
) -> None:
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "GATEWAY_MASTER_KEY": master_key}
    with running_api_process(tmp_path, **settings) as process:
        async with httpx.AsyncClient(headers=KEYS) as client:
            expect(200, await client.get(f"{process.url}/api/v1/payments"))
        assert process.stop() == 0, process.output

    assert (await read_row(database))["last_used_at"] is not None


async def test_a_hash_by_an_older_master_key_is_renewed_when_the_key_is_used(
    database_url: str, redis_url: str, master_key: str, database: Database
) -> None:
    async with running_api(database_url, redis_url, f"{NEWER_KEY},{master_key}") as api:
        for _ in range(3):
            expect(200, await api.client.get("/api/v1/payments"))
        await api.uses.flush()

        renewed = (await read_row(database))["secret_hash"]
        assert Keyring(NEWER_KEY).verify_secret(TEST_SECRET, renewed)
        await asyncio.sleep(CACHED_SECONDS + 0.05)
        expect(200, await api.client.get("/api/v1/payments"))
    async with running_api(database_url, redis_url, NEWER_KEY) as api:
        expect(200, await api.client.get("/api/v1/payments"))


async def test_a_renewal_does_not_undo_a_new_secret(database: Database, master_key: str) -> None:
    key = await read_key(database)
    uses = KeyUses(database)
    uses.note_renewal(key, NOON, Keyring(NEWER_KEY).hash_secret(TEST_SECRET))
    uses.note(key, NOON + timedelta(seconds=1))
    other = Keyring(master_key).hash_secret("another-secret")
    await read_rows(database, "UPDATE api_keys SET secret_hash = :hash RETURNING id", hash=other)

    await uses.flush()

    assert (await read_row(database))["secret_hash"] == other

"""Fixtures for all tests: real servers once a session, and a database of its own for each test."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import redis
from tests.support.databases import MASTER_KEY, cloned_database
from tests.support.servers import running_postgres, running_redis

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.db.migrations import upgrade
from gateway_common.merchants.seed import seed_test_merchant
from gateway_common.settings import normalize_database_url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a server's migrated and seeded database, the template of each test's own."""
    with running_postgres() as url:
        upgrade(url)
        asyncio.run(seed_test_merchant(url, MASTER_KEY))
        yield url


@pytest.fixture(scope="session")
def redis_server_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """A database of this test's own: the code under test commits, so rolling back would isolate nothing."""
    with cloned_database(postgres_url) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(normalize_database_url(database_url), application_name="test", pool_size=10)
    yield database
    await database.close()


@pytest.fixture
def redis_url(redis_server_url: str) -> str:
    """The address of an empty Redis."""
    with redis.Redis.from_url(redis_server_url) as client:
        client.flushall()
    return redis_server_url


@pytest.fixture(scope="session")
def master_key() -> str:
    return MASTER_KEY


@pytest.fixture
def keyring(master_key: str) -> Keyring:
    return Keyring(master_key)

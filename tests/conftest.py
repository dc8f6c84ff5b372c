"""Fixtures for all tests: real servers once a session, and a database of its own for each test."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from tests.support.alone import Doors
from tests.support.databases import MASTER_KEY, cloned_database, service_url
from tests.support.measuring import Measure, measured
from tests.support.servers import running_postgres, running_redis

from gateway_cli.local.postgres import create_service_role
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.db.migrations import upgrade
from gateway_common.merchants.seed import seed_test_merchant
from gateway_common.settings import normalize_database_url


@pytest.fixture(scope="session")
def doors(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Doors:
    """The same doors in every process of one run: pytest-xdist gives each a folder below the run's own."""
    folder = tmp_path_factory.getbasetemp()
    return Doors(folder if worker_id == "master" else folder.parent)


@pytest.fixture(autouse=True)
def elbow_room(request: pytest.FixtureRequest, doors: Doors) -> Iterator[None]:
    """Tests marked `alone` keep the whole machine busy, or can't bear that others do: nothing else runs meanwhile."""
    with doors.passed(alone=request.node.get_closest_marker("alone") is not None):
        yield


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a server's migrated and seeded database, the template of each test's own."""
    with running_postgres() as url:
        upgrade(url)
        create_service_role(urlsplit(url).port or 0)
        asyncio.run(seed_test_merchant(url, MASTER_KEY))
        yield url


@pytest.fixture(scope="session")
def redis_server_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture
def owner_url(postgres_url: str) -> Iterator[str]:
    """A database of this test's own: the code under test commits, so rolling back would isolate nothing.

    This address is its owner's, for tests that alter tables or plant what the services may not write.
    """
    with cloned_database(postgres_url) as url:
        yield url


@pytest.fixture
def database_url(owner_url: str) -> str:
    """The same database as the services see it."""
    return service_url(owner_url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(normalize_database_url(database_url), application_name="test", pool_size=10)
    yield database
    await database.close()


@pytest.fixture
async def owner(owner_url: str) -> AsyncIterator[Database]:
    database = Database(normalize_database_url(owner_url), application_name="test-owner", pool_size=2)
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


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Measure:
    """Keeps a measured number for the end of the run."""
    name = request.node.name.removeprefix("test_").replace("_", " ")

    def keep(text: str) -> None:
        measured.append(f"{name}: {text}")

    return keep


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Of a process that runs a share of the tests: hand over what they measured."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["measured"] = measured


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:  # noqa: ARG001 -- pytest-xdist names them.
    measured.extend(getattr(node, "workeroutput", {}).get("measured", []))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if measured:
        terminalreporter.section("measured")
        for line in measured:
            terminalreporter.write_line(line)

"""Brings a database to the state the gateway needs: newest schema, test merchant; and opens it for commands.

The rules for all of it are in common. What goes wrong is told in one sentence.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import psycopg

from gateway_cli.environment import parse_keyring, required
from gateway_cli.failure import Failure, UsageFailure
from gateway_common.db.database import Database
from gateway_common.db.migrations import upgrade
from gateway_common.db.schema import schema_check
from gateway_common.errors import GatewayError
from gateway_common.merchants.seed import seed_test_merchant
from gateway_common.settings import normalize_database_url

CONNECT_TIMEOUT_SECONDS = 5
DATABASE_URL = "DATABASE_URL"
Result = TypeVar("Result")


async def migrate(database_url: str, *, setting: str = DATABASE_URL) -> None:
    """Apply the migrations that are missing to the database of this setting."""
    await check_database(database_url, setting=setting)
    await asyncio.to_thread(upgrade, database_url)


async def seed(database_url: str, master_key: str, *, setting: str = DATABASE_URL) -> None:
    """Make the test merchant and its key in the database of this setting."""
    parse_keyring(master_key)
    await check_database(database_url, setting=setting)
    await seed_test_merchant(database_url, master_key)


@asynccontextmanager
async def opened(database_url: str) -> AsyncIterator[Database]:
    """A database that answers and has the schema we know; Failure for what goes wrong with it or with the request."""
    await check_database(database_url)
    database = Database(normalize_database_url(database_url), application_name="gateway-cli", pool_size=1)
    try:
        state = await schema_check(database)()
        if state != "ok":
            raise Failure(f"The database of {DATABASE_URL} can't be used: {state}.")
        yield database
    except GatewayError as error:
        raise Failure(error.message) from error
    finally:
        await database.close()


def with_database(act: Callable[[Database], Awaitable[Result]]) -> Result:
    """What `act` returns, done on the database of DATABASE_URL; Failure."""
    address = required(DATABASE_URL)

    async def run() -> Result:
        async with opened(address) as database:
            return await act(database)

    return asyncio.run(run())


async def check_database(database_url: str, *, setting: str = DATABASE_URL) -> None:
    """Say in one sentence what a stack trace from the driver says in fifty lines, and which setting to look at."""
    await asyncio.to_thread(_check, database_url, setting)


def _check(database_url: str, setting: str) -> None:
    try:
        address = normalize_database_url(database_url).replace("postgresql+psycopg:", "postgresql:", 1)
    except ValueError as error:
        raise UsageFailure(f"{setting} {error}.") from error
    try:
        psycopg.connect(address, connect_timeout=CONNECT_TIMEOUT_SECONDS).close()
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise Failure(f"The database of {setting} can't be used: {reason}") from error

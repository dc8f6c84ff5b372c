"""Connections and transactions. A store function takes the connection; who opened it decides when it commits."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import Error as DriverError
from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from gateway_common.errors import UnavailableError

Connection = AsyncConnection

CONNECT_TIMEOUT_SECONDS = 2
STATEMENT_TIMEOUT_SECONDS = 10
POOL_TIMEOUT_SECONDS = 2
RESTED_SECONDS = 1.0


class DatabaseUnavailableError(UnavailableError):
    """PostgreSQL did not answer, or gave up on the statement. Whether it committed may be unknown."""


class StatementRefusedError(Exception):
    """PostgreSQL refused the values of a statement (constraint, type); nothing was changed."""


class Database:
    """A pool of connections to PostgreSQL, in two manners: one transaction, or one statement."""

    def __init__(self, url: str, *, application_name: str, pool_size: int) -> None:
        self._engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            # An error's text goes to the log, and a statement's values are what may not.
            hide_parameters=True,
            connect_args={
                "application_name": application_name,
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "options": f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s -c timezone=UTC",
                # A dead host is noticed in 15 s instead of the kernel's two hours.
                "keepalives_idle": 5,
                "keepalives_interval": 5,
                "keepalives_count": 2,
            },
        )
        event.listen(self._engine.sync_engine, "checkin", _note_use)
        event.listen(self._engine.sync_engine, "checkout", _ping_if_rested)
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Several statements that commit together, or not at all. DatabaseUnavailableError, StatementRefusedError."""
        async with _translated_errors(), self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """Single statements that commit by themselves: no BEGIN, no COMMIT, a third of the round trips."""
        async with _translated_errors(), self._autocommit.connect() as connection:
            yield connection

    async def check(self) -> str:
        """Readiness: `ok` when PostgreSQL answers."""
        async with self.statement() as connection:
            await connection.execute(text("SELECT 1"))
        return "ok"

    async def close(self) -> None:
        await self._engine.dispose()


def _note_use(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _ping_if_rested(connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
    """Ask a connection that lay idle whether it still lives: a restarted PostgreSQL leaves the pool full of dead ones.

    Asking each time (SQLAlchemy's pre-ping) would double the round trips of a busy process.
    """
    if time.monotonic() - record.info.get("used_at", 0.0) < RESTED_SECONDS:
        return
    try:
        cursor = connection.cursor()
        cursor.execute(";")
        cursor.close()
        connection.rollback()
    except DriverError as error:
        raise DisconnectionError from error


@asynccontextmanager
async def _translated_errors() -> AsyncIterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise DatabaseUnavailableError("The database does not answer. Try again.") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailableError("The database does not answer. Try again.") from error
        # Not `from error`: PostgreSQL's own text ends with the refused row, and that row names a VPA.
        raise StatementRefusedError(_reason(error)) from None
    except SQLAlchemyError as error:
        raise StatementRefusedError(str(error)) from error


def _reason(error: DBAPIError) -> str:
    """What PostgreSQL says in its first line, without the values in its details."""
    return str(error.orig).partition("\n")[0]

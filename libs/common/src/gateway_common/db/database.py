"""Connections and transactions. A store function takes the connection; who opened it decides when it commits."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import Error as DriverError
from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from gateway_common.errors import UnavailableError

Connection = AsyncConnection

CONNECT_TIMEOUT_SECONDS = 2
STATEMENT_TIMEOUT_SECONDS = 10
ANSWER_TIMEOUT_SECONDS = 12
"""For a server that hangs instead of answering: its own statement timeout can't be relied on then."""
LOCK_TIMEOUT_SECONDS = 3
POOL_TIMEOUT_SECONDS = 2
RESTED_SECONDS = 1.0


_NO_ANSWER = "The database does not answer. Try again."
_LOCK_NOT_AVAILABLE = "55P03"
_REFUSALS = frozenset({"21", "22", "23", "42"})
"""SQLSTATE classes that speak of the statement itself: cardinality, data, constraint, syntax. Others are outages."""


class DatabaseUnavailableError(UnavailableError):
    """PostgreSQL did not answer, or gave up on the statement. Whether it committed may be unknown."""


class RowLockedError(DatabaseUnavailableError):
    """Somebody holds a row of this statement for too long; the statement's other rows are not at fault."""


class StatementRefusedError(Exception):
    """PostgreSQL refused the values of a statement (constraint, type); nothing was changed."""


class Database:
    """A pool of connections to PostgreSQL, in three manners: one transaction, one statement, or one moment to read."""

    def __init__(
        self,
        url: str,
        *,
        application_name: str,
        pool_size: int,
        answer_timeout_seconds: float = ANSWER_TIMEOUT_SECONDS,
    ) -> None:
        self._answer_timeout_seconds = answer_timeout_seconds
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
                "options": (
                    f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s -c lock_timeout={LOCK_TIMEOUT_SECONDS}s "
                    f"-c idle_in_transaction_session_timeout={STATEMENT_TIMEOUT_SECONDS}s -c timezone=UTC"
                ),
                # Sent and not acknowledged for so long: the host is gone, whatever the kernel would still hope for.
                "tcp_user_timeout": STATEMENT_TIMEOUT_SECONDS * 1000,
                # A dead host is noticed in 15 s instead of the kernel's two hours.
                "keepalives_idle": 5,
                "keepalives_interval": 5,
                "keepalives_count": 2,
            },
        )
        event.listen(self._engine.sync_engine, "checkin", _note_use)
        event.listen(self._engine.sync_engine, "checkout", _ping_if_rested)
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Several statements that commit together, or not at all. DatabaseUnavailableError, StatementRefusedError."""
        async with (
            _translated_errors(),
            asyncio.timeout(self._answer_timeout_seconds),
            self._engine.begin() as connection,
        ):
            yield connection

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """Single statements that commit by themselves: no BEGIN, no COMMIT, a third of the round trips."""
        async with (
            _translated_errors(),
            asyncio.timeout(self._answer_timeout_seconds),
            self._autocommit.connect() as connection,
        ):
            yield connection

    @asynccontextmanager
    async def snapshot(self, *, timeout_seconds: float) -> AsyncIterator[Connection]:
        """Statements that only read and all see the same moment; together they may take as long as is said here."""
        async with (
            _translated_errors(),
            asyncio.timeout(timeout_seconds),
            self._reading.begin() as connection,
        ):
            await connection.execute(text(f"SET LOCAL statement_timeout = {round(timeout_seconds * 1000)}"))
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
    used_at = record.info.get("used_at")
    if used_at is None or time.monotonic() - used_at < RESTED_SECONDS:
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
    except (PoolTimeoutError, TimeoutError) as error:
        raise DatabaseUnavailableError(_NO_ANSWER) from error
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        if state == _LOCK_NOT_AVAILABLE:
            raise RowLockedError("Another request holds this object for too long. Try again.") from error
        if error.connection_invalidated or state[:2] not in _REFUSALS:
            raise DatabaseUnavailableError(_NO_ANSWER) from error
        # Not `from error`: PostgreSQL's own text ends with the refused row, and that row names a VPA.
        raise StatementRefusedError(_reason(error)) from None
    except SQLAlchemyError as error:
        raise DatabaseUnavailableError(_NO_ANSWER) from error


def _reason(error: DBAPIError) -> str:
    """What PostgreSQL says in its first line, without the values in its details."""
    return str(error.orig).partition("\n")[0]

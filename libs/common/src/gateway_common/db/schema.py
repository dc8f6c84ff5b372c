"""Readiness of the database: it answers, and its schema is the one this code was written for, or a newer one."""

from pathlib import Path
from typing import Final

from sqlalchemy import text

from gateway_common.db.database import Connection, Database
from gateway_common.serving import Check

_PACKAGED: Final = Path(__file__).parents[1] / "migrations"
_IN_CHECKOUT: Final = Path(__file__).parents[3] / "migrations"
MIGRATIONS: Final = _PACKAGED if _PACKAGED.exists() else _IN_CHECKOUT


def head_revision() -> str:
    """The revision this code needs: revisions are numbers, and a migration's file name begins with its own.

    Read from the names, so that no service has to load Alembic to know it.
    """
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


async def find_revision(connection: Connection) -> str | None:
    """The revision the database has, or None if it was never migrated."""
    if not await connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL")):
        return None
    revision: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def schema_check(database: Database) -> Check:
    """A check that says `ok`, or what is missing."""
    needed = head_revision()

    async def check() -> str:
        async with database.statement() as connection:
            found = await find_revision(connection)
        if found is None:
            return "not migrated: run `gateway migrate`"
        return "ok" if found >= needed else f"schema {found}, needed {needed}: run `gateway migrate`"

    return check

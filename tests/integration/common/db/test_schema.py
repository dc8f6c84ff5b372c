"""Readiness by schema: what a service says of a database that is not, or not yet, the one it was written for."""

import pytest
from tests.support.records import write_rows

from gateway_common.db.database import Database
from gateway_common.db.schema import head_revision, schema_check


async def test_a_migrated_database_is_ok(database: Database) -> None:
    assert await schema_check(database)() == "ok"


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("DROP TABLE alembic_version", "not migrated: run `gateway migrate`"),
        ("DELETE FROM alembic_version", "not migrated: run `gateway migrate`"),
        ("UPDATE alembic_version SET version_num = '0000'", f"schema 0000, needed {head_revision()}: run"),
        ("UPDATE alembic_version SET version_num = '9999'", "ok"),
    ],
)
async def test_an_unmigrated_or_older_one_is_not_and_a_newer_one_is(
    database: Database, owner: Database, statement: str, answer: str
) -> None:
    await write_rows(owner, statement)

    assert (await schema_check(database)()).startswith(answer)

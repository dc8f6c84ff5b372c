"""A database of a test's own: a copy of the migrated and seeded one, made in milliseconds and dropped afterwards."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import LiteralString

from psycopg import Connection
from psycopg.sql import SQL, Identifier

from gateway_cli.local.postgres import OWNER, SERVICE_ROLE

MASTER_KEY = base64.b64encode(bytes(range(32))).decode()
TABLES: LiteralString = """
SELECT relname AS tablename FROM pg_class
WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace
"""
"""The names of all tables. The rows of a partition are its table's."""
_numbers = count(1)


def service_url(owner_url: str) -> str:
    """The same database as the services sign in: with their role, so that a missing grant is found by every test."""
    return owner_url.replace(f"//{OWNER}@", f"//{SERVICE_ROLE}@", 1)


@contextmanager
def cloned_database(template_url: str) -> Iterator[str]:
    """Yield the address of a copy of this database, on the same server."""
    server, _, template = template_url.rpartition("/")
    name = f"test_{next(_numbers)}"
    with Connection.connect(f"{server}/postgres", autocommit=True) as connection:
        # Copying files is three times as fast as writing them to the log, which nobody reads here.
        clone = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        connection.execute(clone.format(Identifier(name), Identifier(template)))
        yield f"{server}/{name}"
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

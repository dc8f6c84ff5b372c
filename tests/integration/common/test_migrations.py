"""The migrations make the very schema that tables.py describes."""

import re

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

import gateway_common.callbacks.tables
import gateway_common.events.tables
import gateway_common.idempotency.tables
import gateway_common.ledger.tables
import gateway_common.merchants.tables
import gateway_common.orders.tables
import gateway_common.payments.tables
import gateway_common.providers.tables
import gateway_common.refunds.tables
import gateway_common.simulator.tables
import gateway_common.webhooks.tables
import gateway_common.workers.tables  # noqa: F401 -- importing registers the tables.
from gateway_common.db.migrations import upgrade
from gateway_common.db.tables import metadata
from gateway_common.settings import normalize_database_url


def _is_compared(_object: object, name: str | None, kind: str, *_: object) -> bool:
    # Indexes are the migrations' alone: partial ones say more than SQLAlchemy could compare. So are partitions.
    return kind != "index" and re.fullmatch(r"webhook_attempts_(\d{4}_\d{2}|other)", name or "") is None


def test_the_migrations_make_the_tables_that_the_code_describes(owner_url: str) -> None:
    upgrade(owner_url)
    engine = create_engine(normalize_database_url(owner_url))

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": _is_compared})
        differences = compare_metadata(context, metadata)

    engine.dispose()
    assert differences == []

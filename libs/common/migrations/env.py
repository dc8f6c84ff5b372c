"""Runs the migrations in one transaction under an advisory lock, so that two starting replicas do it once."""

from alembic import context
from sqlalchemy import create_engine, text

_LOCK = 7_203_911_546
"""Any number, as long as it stays the same for ever."""

engine = create_engine(context.config.attributes["database_url"])
with engine.begin() as connection:
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    # A migration that can't have its lock soon must not queue every reader behind itself.
    connection.execute(text("SET LOCAL lock_timeout = '5s'"))
    context.configure(connection=connection, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()

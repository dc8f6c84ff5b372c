"""Brings a database to the newest schema. The migrations themselves are in libs/common/migrations."""

from alembic import command
from alembic.config import Config

from gateway_common.db.schema import MIGRATIONS
from gateway_common.settings import normalize_database_url


def upgrade(database_url: str) -> None:
    """Apply what is missing. Safe to run twice and at once: migrations/env.py takes an advisory lock."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["database_url"] = normalize_database_url(database_url)
    command.upgrade(config, "head")

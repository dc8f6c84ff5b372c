"""The tables of merchants and API keys. A key's secret is never stored, only its keyed hash."""

from sqlalchemy import Boolean, Column, ForeignKey, Table, Text

from gateway_common.db.tables import id_column, metadata, time_column

merchants = Table(
    "merchants",
    metadata,
    id_column(primary_key=True),
    Column("name", Text, nullable=False),
    time_column("created_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    id_column(primary_key=True),
    Column("merchant_id", Text(collation="C"), ForeignKey("merchants.id"), nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("secret_hash", Text, nullable=False),
    time_column("created_at"),
    time_column("expires_at", nullable=True),
    time_column("revoked_at", nullable=True),
)

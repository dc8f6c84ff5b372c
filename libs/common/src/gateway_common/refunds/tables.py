"""The table of refunds. Its work is its payment's: one lease per payment runs them one at a time."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from gateway_common.db.tables import id_column, metadata, time_column

refunds = Table(
    "refunds",
    metadata,
    id_column(primary_key=True),
    Column("payment_id", Text(collation="C"), ForeignKey("payments.id"), nullable=False),
    id_column("merchant_id"),
    Column("livemode", Boolean, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reason", Text),
    Column("metadata", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("version", Integer, nullable=False),
    time_column("created_at"),
    time_column("updated_at"),
)

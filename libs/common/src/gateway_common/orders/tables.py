"""The table of orders. Its constraints are the last line of defence of the rules in model.py."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from gateway_common.db.tables import id_column, metadata, time_column

orders = Table(
    "orders",
    metadata,
    id_column(primary_key=True),
    Column("merchant_id", Text(collation="C"), ForeignKey("merchants.id"), nullable=False),
    Column("livemode", Boolean, nullable=False),
    # The merchant's own name for it: unique per merchant and mode.
    id_column("reference", nullable=True),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("description", Text),
    Column("metadata", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    # The payment that is under way, or that paid it.
    id_column("payment_id", nullable=True),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False),
    time_column("created_at"),
    time_column("updated_at"),
)

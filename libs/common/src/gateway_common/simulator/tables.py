"""The simulator's own account, as a real provider would keep it on its side. The gateway's rules never read it."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, Table, Text

from gateway_common.db.tables import id_column, metadata, time_column

simulator_operations = Table(
    "simulator_operations",
    metadata,
    id_column("key", primary_key=True),
    Column("kind", Text, nullable=False),
    id_column("payment_id"),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("answers", Boolean, nullable=False),
    time_column("ready_at", nullable=True),
    Column("requests", Integer, nullable=False),
    time_column("created_at"),
    # What it says from a later moment on, and until when it waits for the customer.
    Column("next_outcome", Text),
    time_column("next_at", nullable=True),
    time_column("expires_at", nullable=True),
    # When it next calls the gateway about it, and how often it then says the same.
    time_column("callback_at", nullable=True),
    Column("callback_copies", Integer, nullable=False, server_default="1"),
)

"""The simulator's own account, as a real provider would keep it on its side. The gateway's rules never read it."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Double, Integer, Table, Text

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
    # How often it was asked to do this and took it up; 0: it never did, whatever the rest of the row says.
    Column("requests", Integer, nullable=False),
    # The same with the requests that a fault plan lets it refuse, and the numbers of those.
    Column("asked", Integer, nullable=False, server_default="1"),
    Column("refuses", ARRAY(Integer), nullable=False, server_default="{}"),
    time_column("created_at"),
    # What it says later, how long after the payment has ended, from when on, and until when it waits for the customer.
    Column("next_outcome", Text),
    Column("next_in_seconds", Double),
    time_column("next_at", nullable=True),
    time_column("expires_at", nullable=True),
    # When it next calls the gateway about it, how often it then says the same, and how often it has called.
    time_column("callback_at", nullable=True),
    Column("callback_copies", Integer, nullable=False, server_default="0"),
    Column("callback_number", Integer, nullable=False, server_default="0"),
)

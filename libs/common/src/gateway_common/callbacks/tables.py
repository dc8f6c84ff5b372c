"""The table of callbacks. A unique index on the provider's own event id keeps a second copy out."""

from sqlalchemy import Column, Integer, LargeBinary, Table, Text

from gateway_common.db.tables import id_column, metadata, time_column

provider_callbacks = Table(
    "provider_callbacks",
    metadata,
    id_column(primary_key=True),
    Column("provider", Text, nullable=False),
    id_column("event_id"),
    # As the provider's body names it; None if it is about no payment of ours.
    id_column("payment_id", nullable=True),
    # The bytes whose signature was checked.
    Column("body", LargeBinary, nullable=False),
    # None until a processor has looked at it.
    Column("outcome", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    time_column("due_at", nullable=True),
    time_column("received_at"),
    time_column("handled_at", nullable=True),
)

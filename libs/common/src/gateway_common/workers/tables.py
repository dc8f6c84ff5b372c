"""The table of worker processes. One renewed row stands for all leases of its process."""

from sqlalchemy import Column, Double, Table, Text

from gateway_common.db.tables import id_column, metadata, time_column

workers = Table(
    "workers",
    metadata,
    id_column(primary_key=True),
    Column("service", Text, nullable=False),
    time_column("started_at"),
    time_column("seen_at"),
    # For how long its word holds, as it says itself.
    Column("silent_after_seconds", Double, nullable=False, server_default="15"),
)

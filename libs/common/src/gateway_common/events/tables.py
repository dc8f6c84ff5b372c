"""The table of events. A row is never changed."""

from sqlalchemy import Boolean, Column, LargeBinary, Table, Text

from gateway_common.db.tables import id_column, metadata, time_column

events = Table(
    "events",
    metadata,
    id_column(primary_key=True),
    id_column("merchant_id"),
    Column("livemode", Boolean, nullable=False),
    Column("type", Text, nullable=False),
    id_column("object_id"),
    # Bytes, not jsonb: what is signed is what is sent, to the byte.
    Column("body", LargeBinary, nullable=False),
    Column("traceparent", Text),
    time_column("created_at"),
)

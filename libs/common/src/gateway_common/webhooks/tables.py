"""The tables of webhook endpoints, their deliveries, and each delivery's attempts."""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from gateway_common.db.tables import id_column, metadata, time_column

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    id_column(primary_key=True),
    Column("merchant_id", Text(collation="C"), ForeignKey("merchants.id"), nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("url", Text, nullable=False),
    Column("description", Text),
    # Empty means every type.
    Column("event_types", ARRAY(Text), nullable=False),
    Column("status", Text, nullable=False),
    Column("sealed_secret", LargeBinary, nullable=False),
    time_column("created_at"),
    time_column("updated_at"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    id_column(primary_key=True),
    Column("event_id", Text(collation="C"), ForeignKey("events.id"), nullable=False),
    Column("endpoint_id", Text(collation="C"), ForeignKey("webhook_endpoints.id"), nullable=False),
    id_column("merchant_id"),
    Column("livemode", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_response_status", SmallInteger),
    Column("last_error", Text),
    time_column("created_at"),
    time_column("updated_at"),
    # Set exactly while an attempt is owed.
    time_column("due_at", nullable=True),
    id_column("worker_id", nullable=True),
    time_column("leased_at", nullable=True),
    Column("claim", Integer, nullable=False, server_default="0"),
)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("delivery_id", Text(collation="C"), ForeignKey("webhook_deliveries.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    time_column("started_at"),
    Column("duration_ms", Integer, nullable=False),
    Column("response_status", SmallInteger),
    Column("response_body", LargeBinary, nullable=False),
    Column("error", Text),
)

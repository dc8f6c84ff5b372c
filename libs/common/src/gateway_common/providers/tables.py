"""The routing table: who serves what. A unique index keeps one route for each merchant, mode and method."""

from sqlalchemy import Boolean, Column, ForeignKey, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from gateway_common.db.tables import metadata, time_column

provider_routes = Table(
    "provider_routes",
    metadata,
    Column("livemode", Boolean, nullable=False),
    Column("merchant_id", Text(collation="C"), ForeignKey("merchants.id")),
    Column("method", Text),
    # In the order in which they are asked.
    Column("providers", ARRAY(Text), nullable=False),
    time_column("updated_at"),
)

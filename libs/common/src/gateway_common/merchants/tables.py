"""The tables of merchants and API keys. A key's secret is never stored, only its keyed hash."""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from gateway_common.db.tables import id_column, metadata, time_column

merchants = Table(
    "merchants",
    metadata,
    id_column(primary_key=True),
    Column("name", Text, nullable=False),
    time_column("created_at"),
    # What the gateway keeps of each capture, in hundredths of a percent.
    Column("fee_basis_points", Integer, nullable=False, server_default="0"),
    # Whether it keeps a payment that succeeds after it had ended, or gives it back.
    Column("late_success", Text, nullable=False, server_default="keep"),
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
    Column("name", Text),
    Column("scopes", ARRAY(Text), nullable=False, server_default="{read,write,refunds,webhooks}"),
    # Written at most once a minute, outside the request.
    time_column("last_used_at", nullable=True),
    id_column("replaced_by", nullable=True),
)

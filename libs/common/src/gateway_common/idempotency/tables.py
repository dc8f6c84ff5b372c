"""The table of answers given. One row per merchant, mode, route and key, written in the effect's transaction."""

from sqlalchemy import Boolean, Column, Integer, LargeBinary, SmallInteger, Table, Text

from gateway_common.db.tables import id_column, metadata, time_column

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    id_column("merchant_id", primary_key=True),
    Column("livemode", Boolean, primary_key=True),
    id_column("route", primary_key=True),
    id_column("key", primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("response_status", SmallInteger, nullable=False),
    Column("response_body", LargeBinary, nullable=False),
    time_column("created_at"),
    Column("request_id", Text),
    # Whether the body is encrypted, because it holds a secret.
    Column("sealed", Boolean, nullable=False, server_default="false"),
    Column("replays", Integer, nullable=False, server_default="0"),
    time_column("last_replayed_at", nullable=True),
)

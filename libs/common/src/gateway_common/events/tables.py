"""The tables of events. Of an event nothing is ever changed, but that it is given its sequence once."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, LargeBinary, Table, Text, text

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
    # How many deliveries it was given.
    Column("fan_out", Integer, nullable=False, server_default="0"),
    # The gapless number among the merchant's events of its mode, given after the commit, see sequence_store.py.
    Column("sequence", BigInteger),
    # When it was recorded, as PostgreSQL counts: of two changes of one object the later one has the greater number.
    Column("position", BigInteger, server_default=text("nextval('event_positions')")),
)

event_sequences = Table(
    "event_sequences",
    metadata,
    Column("merchant_id", Text(collation="C"), ForeignKey("merchants.id"), primary_key=True),
    Column("livemode", Boolean, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

"""The table of payments. Its constraints are the last line of defence of the rules in model.py."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from gateway_common.db.tables import id_column, metadata, time_column

payments = Table(
    "payments",
    metadata,
    id_column(primary_key=True),
    Column("merchant_id", Text(collation="C"), ForeignKey("merchants.id"), nullable=False),
    Column("livemode", Boolean, nullable=False),
    # As the merchant gave it: an order's id, its reference, or a reference that is only the merchant's own.
    id_column("order_id", nullable=True),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("vpa", Text),
    Column("description", Text),
    Column("metadata", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("capture_method", Text, nullable=False),
    Column("capture_status", Text),
    Column("capture_number", Integer, nullable=False, server_default="0"),
    Column("amount_captured_minor", BigInteger, nullable=False, server_default="0"),
    Column("amount_refunded_minor", BigInteger, nullable=False, server_default="0"),
    # Refunded and under way together: a CHECK keeps it within what was captured, whoever writes.
    Column("amount_refund_reserved_minor", BigInteger, nullable=False, server_default="0"),
    Column("needs_attention", Boolean, nullable=False, server_default="false"),
    Column("version", Integer, nullable=False),
    time_column("created_at"),
    time_column("updated_at"),
    Column("traceparent", Text),
    # The work: when it is next due, when it was last rung for, who holds it since when, and the fence.
    time_column("due_at", nullable=True),
    time_column("rung_at", nullable=True),
    id_column("worker_id", nullable=True),
    time_column("leased_at", nullable=True),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("operation_attempt", Integer, nullable=False, server_default="0"),
    # What else the method says: a UPI flow, a bank, a wallet, the part of a card that may be shown.
    Column("method_details", JSONB, nullable=False, server_default='{"flow": "collect"}'),
    # The order of ours that order_id names, if it names one. At most one payment of it is under way: a unique index.
    id_column("bound_order_id", nullable=True),
    # The merchant's fee as it was when the payment was made.
    Column("fee_basis_points", Integer, nullable=False, server_default="0"),
    Column("void_status", Text),
    time_column("authorization_expires_at", nullable=True),
    # Who was asked to authorize it, what it is called there, what the customer is to do and until when.
    Column("provider", Text),
    Column("provider_reference", Text),
    Column("next_action", JSONB(none_as_null=True)),
    time_column("request_expires_at", nullable=True),
    # The provider called about it after it had ended.
    Column("has_news", Boolean, nullable=False, server_default="false"),
)

# A card's number and CVC, sealed, only until the payment is neither pending nor processing.
payment_cards = Table(
    "payment_cards",
    metadata,
    Column("payment_id", Text(collation="C"), ForeignKey("payments.id"), primary_key=True),
    # Which master key sealed it.
    Column("key_id", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    time_column("created_at"),
)

# What a provider said, once per lease. A row is never changed.
provider_answers = Table(
    "provider_answers",
    metadata,
    Column("payment_id", Text(collation="C"), ForeignKey("payments.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    id_column("refund_id", nullable=True),
    Column("provider", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("code", Text),
    Column("message", Text),
    Column("reference", Text),
    time_column("asked_at"),
    time_column("answered_at"),
)

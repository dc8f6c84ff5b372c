"""The tables of the ledger. The services may insert entries, not change them; a constraint trigger balances them."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Table, Text

from gateway_common.db.tables import id_column, metadata, time_column

ledger_entries = Table(
    "ledger_entries",
    metadata,
    id_column(primary_key=True),
    # Follows from what is booked, and is unique with the account: nothing can be booked twice.
    id_column("transaction_id"),
    Column("kind", Text, nullable=False),
    Column("merchant_id", Text(collation="C"), ForeignKey("merchants.id"), nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("account", Text, nullable=False),
    Column("currency", Text, nullable=False),
    # What the account gains; negative is what it gives. A transaction sums to zero.
    Column("amount_minor", BigInteger, nullable=False),
    Column("payment_id", Text(collation="C"), ForeignKey("payments.id"), nullable=False),
    Column("refund_id", Text(collation="C"), ForeignKey("refunds.id")),
    time_column("created_at"),
)

# The sums of the entries, kept with them: a balance is read in one row however many entries there are.
ledger_balances = Table(
    "ledger_balances",
    metadata,
    Column("merchant_id", Text(collation="C"), ForeignKey("merchants.id"), primary_key=True),
    Column("livemode", Boolean, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("amount_minor", BigInteger, nullable=False),
)

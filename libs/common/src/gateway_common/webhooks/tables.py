"""The tables of webhook endpoints, how they fare, their deliveries, each delivery's attempts, and replays."""

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Integer, LargeBinary, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

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
    Column("disabled_reason", Text),
    Column("sealed_secret", LargeBinary, nullable=False),
    # The secret before the last rotation, until its overlap ends. Promoted: the plain header goes by the new one.
    Column("sealed_old_secret", LargeBinary),
    time_column("old_secret_until", nullable=True),
    time_column("promoted_at", nullable=True),
    # None of these three: the gateway's own.
    Column("timeout_seconds", Integer),
    Column("max_in_flight", Integer),
    Column("rate_limit_per_second", Integer),
    # The merchant's own request headers: names for all to see, values sealed.
    Column("header_names", ARRAY(Text), nullable=False, server_default="{}"),
    Column("sealed_headers", LargeBinary),
    Column("retry_tail", Boolean, nullable=False, server_default="false"),
    Column("auto_recover", Boolean, nullable=False, server_default="true"),
    Column("version", Integer, nullable=False, server_default="1"),
    time_column("created_at"),
    time_column("updated_at"),
)

# One row per endpoint, apart from the endpoint's own: this one is written all the time, that one is locked by every
# event of its merchant.
webhook_endpoint_health = Table(
    "webhook_endpoint_health",
    metadata,
    Column("endpoint_id", Text(collation="C"), ForeignKey("webhook_endpoints.id"), primary_key=True),
    # Counts the row's changes: who saw an older one must not draw conclusions from it.
    Column("revision", BigInteger, nullable=False, server_default="0"),
    # Before this nothing of lane 1 can be taken; empty while nothing waits in it. May be too early, never too late.
    time_column("look_at", nullable=True),
    # The token bucket of `rate_limit_per_second`.
    Column("tokens", Double, nullable=False, server_default="1"),
    time_column("refilled_at"),
    Column("consecutive_failures", Integer, nullable=False, server_default="0"),
    time_column("failing_since", nullable=True),
    time_column("last_attempt_at", nullable=True),
    time_column("last_success_at", nullable=True),
    # The breaker: nothing is sent before `blocked_until`, then no more than `allowance` at once.
    time_column("blocked_until", nullable=True),
    Column("allowance", Integer),
    Column("trips", Integer, nullable=False, server_default="0"),
    # The endpoint's status has changed, and what waits for it has not yet followed.
    Column("settling", Boolean, nullable=False, server_default="false"),
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
    # How many attempts there were before the present schedule began: a retried delivery has the whole schedule again.
    Column("schedule_from", Integer, nullable=False, server_default="0"),
    Column("last_response_status", SmallInteger),
    Column("last_error", Text),
    # Tried again by itself, after its endpoint answered again. That happens once.
    Column("recovered", Boolean, nullable=False, server_default="false"),
    id_column("replay_id", nullable=True),
    time_column("created_at"),
    time_column("updated_at"),
    # 0: a first attempt, found by walking the index. 1: all that waits for a time, found by its endpoint's `look_at`.
    Column("lane", SmallInteger, nullable=False, server_default="0"),
    # Set exactly while an attempt is owed.
    time_column("due_at", nullable=True),
    id_column("worker_id", nullable=True),
    time_column("leased_at", nullable=True),
    Column("claim", Integer, nullable=False, server_default="0"),
)

# In partitions by month of `started_at`, which are dropped whole.
webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    id_column("delivery_id", primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("started_at", time_column("started_at").type, primary_key=True),
    Column("duration_ms", Integer, nullable=False),
    Column("dns_ms", Integer),
    Column("connect_ms", Integer),
    Column("tls_ms", Integer),
    Column("wait_ms", Integer),
    Column("read_ms", Integer),
    # Without the values of the merchant's own headers.
    Column("request_headers", JSONB, nullable=False, server_default="{}"),
    Column("response_status", SmallInteger),
    Column("response_body", LargeBinary, nullable=False),
    Column("reason", Text),
    Column("error", Text),
)

webhook_replays = Table(
    "webhook_replays",
    metadata,
    id_column(primary_key=True),
    Column("endpoint_id", Text(collation="C"), ForeignKey("webhook_endpoints.id"), nullable=False),
    id_column("merchant_id"),
    Column("livemode", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    Column("which", Text, nullable=False),
    time_column("created_from"),
    time_column("created_to"),
    # From where to where, behind the last one looked at: delivery ids are in order of time.
    id_column("first_delivery_id"),
    id_column("last_delivery_id"),
    Column("status", Text, nullable=False),
    Column("total", Integer, nullable=False),
    Column("queued", Integer, nullable=False, server_default="0"),
    time_column("created_at"),
    time_column("updated_at"),
)

# From when on there is something to find: `gateway retention` has dropped what is older.
retention_marks = Table(
    "retention_marks",
    metadata,
    Column("name", Text, primary_key=True),
    time_column("kept_from"),
    time_column("updated_at"),
)

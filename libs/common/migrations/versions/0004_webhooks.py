"""Webhooks that lose nothing: what an endpoint asks for, how it fares, deliveries in two lanes, attempts by month.

Comes before the first release, like 0002: see there.
"""

from datetime import UTC, datetime

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_MONTHS_AHEAD = 12

_SCHEMA = (
    """
ALTER TABLE webhook_endpoints
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD COLUMN timeout_seconds integer,
    ADD COLUMN max_in_flight integer,
    ADD COLUMN rate_limit_per_second integer,
    ADD COLUMN header_names text[] NOT NULL DEFAULT '{}',
    ADD COLUMN sealed_headers bytea,
    ADD COLUMN sealed_old_secret bytea,
    ADD COLUMN old_secret_until timestamptz,
    ADD COLUMN promoted_at timestamptz,
    ADD COLUMN retry_tail boolean NOT NULL DEFAULT false,
    ADD COLUMN auto_recover boolean NOT NULL DEFAULT true,
    ADD COLUMN disabled_reason text,
    DROP CONSTRAINT webhook_endpoints_status_check,
    ADD CONSTRAINT webhook_endpoints_status_check CHECK (status IN ('enabled', 'paused', 'disabled', 'deleted')),
    ADD CONSTRAINT webhook_endpoints_timeout_check CHECK (timeout_seconds BETWEEN 5 AND 30),
    ADD CONSTRAINT webhook_endpoints_in_flight_check CHECK (max_in_flight BETWEEN 1 AND 100),
    ADD CONSTRAINT webhook_endpoints_rate_check CHECK (rate_limit_per_second BETWEEN 1 AND 1000),
    ADD CONSTRAINT webhook_endpoints_headers_check CHECK (
        (cardinality(header_names) > 0) = (sealed_headers IS NOT NULL)
    ),
    ADD CONSTRAINT webhook_endpoints_old_secret_check CHECK (
        (sealed_old_secret IS NULL) = (old_secret_until IS NULL)
        AND (promoted_at IS NULL OR sealed_old_secret IS NOT NULL)
    )""",
    "UPDATE webhook_endpoints SET disabled_reason = 'failing' WHERE status = 'disabled'",
    """
ALTER TABLE webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_reason_check CHECK (
        CASE status WHEN 'disabled' THEN disabled_reason IN ('gone', 'failing') ELSE disabled_reason IS NULL END
    )""",
    """
CREATE TABLE webhook_endpoint_health (
    endpoint_id text COLLATE "C" PRIMARY KEY REFERENCES webhook_endpoints,
    revision bigint NOT NULL DEFAULT 0,
    look_at timestamptz,
    tokens double precision NOT NULL DEFAULT 1,
    refilled_at timestamptz NOT NULL DEFAULT now(),
    consecutive_failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    last_attempt_at timestamptz,
    last_success_at timestamptz,
    blocked_until timestamptz,
    allowance integer,
    trips integer NOT NULL DEFAULT 0,
    settling boolean NOT NULL DEFAULT false,
    CONSTRAINT webhook_endpoint_health_failing_check CHECK ((consecutive_failures > 0) = (failing_since IS NOT NULL)),
    CONSTRAINT webhook_endpoint_health_allowance_check CHECK (allowance >= 1)
) WITH (fillfactor = 50)""",
    "CREATE INDEX webhook_endpoint_health_look ON webhook_endpoint_health (look_at) WHERE look_at IS NOT NULL",
    """
CREATE INDEX webhook_endpoint_health_blocked ON webhook_endpoint_health (endpoint_id)
    WHERE blocked_until IS NOT NULL""",
    "CREATE INDEX webhook_endpoint_health_settling ON webhook_endpoint_health (endpoint_id) WHERE settling",
    """
CREATE INDEX webhook_endpoint_health_failing ON webhook_endpoint_health (failing_since)
    WHERE failing_since IS NOT NULL""",
    """
INSERT INTO webhook_endpoint_health (endpoint_id, look_at, settling)
SELECT id, now(), status <> 'enabled' FROM webhook_endpoints""",
    """
ALTER TABLE webhook_deliveries
    ADD COLUMN lane smallint NOT NULL DEFAULT 0,
    ADD COLUMN schedule_from integer NOT NULL DEFAULT 0,
    ADD COLUMN recovered boolean NOT NULL DEFAULT false,
    ADD COLUMN replay_id text COLLATE "C",
    DROP CONSTRAINT webhook_deliveries_status_check,
    ADD CONSTRAINT webhook_deliveries_status_check CHECK (
        status IN ('pending', 'held', 'delivered', 'failed', 'cancelled')
    ),
    ADD CONSTRAINT webhook_deliveries_lane_check CHECK (lane IN (0, 1)),
    ADD CONSTRAINT webhook_deliveries_schedule_check CHECK (schedule_from BETWEEN 0 AND attempts)""",
    "UPDATE webhook_deliveries SET lane = 1 WHERE attempts > 0",
    "DROP INDEX webhook_deliveries_due",
    """
CREATE INDEX webhook_deliveries_fresh ON webhook_deliveries (endpoint_id, due_at)
    WHERE lane = 0 AND due_at IS NOT NULL AND worker_id IS NULL""",
    """
CREATE INDEX webhook_deliveries_late ON webhook_deliveries (endpoint_id, due_at)
    WHERE lane = 1 AND due_at IS NOT NULL AND worker_id IS NULL""",
    "DROP INDEX webhook_deliveries_leased",
    """
CREATE INDEX webhook_deliveries_leased ON webhook_deliveries (endpoint_id, worker_id)
    WHERE worker_id IS NOT NULL""",
    "CREATE INDEX webhook_deliveries_endpoint ON webhook_deliveries (endpoint_id, id)",
    "CREATE INDEX webhook_deliveries_held ON webhook_deliveries (endpoint_id, id) WHERE status = 'held'",
    "CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (endpoint_id, id) WHERE status = 'failed'",
    """
CREATE INDEX webhook_deliveries_replayed ON webhook_deliveries (replay_id)
    WHERE replay_id IS NOT NULL AND due_at IS NOT NULL""",
    "ALTER TABLE events ADD COLUMN fan_out integer NOT NULL DEFAULT 0",
    """
UPDATE events SET fan_out = given.count
FROM (SELECT event_id, count(*) FROM webhook_deliveries GROUP BY event_id) AS given
WHERE events.id = given.event_id""",
    """
CREATE TABLE webhook_replays (
    id text COLLATE "C" PRIMARY KEY,
    endpoint_id text COLLATE "C" NOT NULL REFERENCES webhook_endpoints,
    merchant_id text COLLATE "C" NOT NULL,
    livemode boolean NOT NULL,
    source text NOT NULL,
    which text NOT NULL,
    created_from timestamptz NOT NULL,
    created_to timestamptz NOT NULL,
    first_delivery_id text COLLATE "C" NOT NULL,
    last_delivery_id text COLLATE "C" NOT NULL,
    status text NOT NULL,
    total integer NOT NULL,
    queued integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT webhook_replays_source_check CHECK (source IN ('merchant', 'recovery')),
    CONSTRAINT webhook_replays_which_check CHECK (which IN ('failed', 'all')),
    CONSTRAINT webhook_replays_status_check CHECK (status IN ('running', 'done', 'stopped'))
)""",
    "CREATE INDEX webhook_replays_list ON webhook_replays (endpoint_id, id)",
    "CREATE INDEX webhook_replays_running ON webhook_replays (id) WHERE status = 'running'",
    """
CREATE UNIQUE INDEX webhook_replays_recovery ON webhook_replays (endpoint_id)
    WHERE status = 'running' AND source = 'recovery'""",
    "ALTER TABLE webhook_attempts RENAME TO webhook_attempts_before",
    "ALTER INDEX webhook_attempts_pkey RENAME TO webhook_attempts_before_pkey",
    # No reference to the delivery: old months are dropped whole, old deliveries row by row, and neither waits.
    """
CREATE TABLE webhook_attempts (
    delivery_id text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    started_at timestamptz NOT NULL,
    duration_ms integer NOT NULL,
    dns_ms integer,
    connect_ms integer,
    tls_ms integer,
    wait_ms integer,
    read_ms integer,
    request_headers jsonb NOT NULL DEFAULT '{}',
    response_status smallint,
    response_body bytea NOT NULL,
    reason text,
    error text,
    PRIMARY KEY (delivery_id, number, started_at)
) PARTITION BY RANGE (started_at)""",
    # Takes what no month takes, so that a retention job that does not run loses nothing.
    "CREATE TABLE webhook_attempts_other PARTITION OF webhook_attempts DEFAULT",
    """
CREATE TABLE retention_marks (
    name text PRIMARY KEY,
    kept_from timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
)""",
)
_MOVE = (
    """
INSERT INTO webhook_attempts (delivery_id, number, started_at, duration_ms, response_status, response_body, error)
SELECT delivery_id, number, started_at, duration_ms, response_status, response_body, error
FROM webhook_attempts_before""",
    "DROP TABLE webhook_attempts_before",
    """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gateway_service') THEN
        RETURN;
    END IF;
    GRANT SELECT ON webhook_attempts, webhook_endpoint_health, webhook_replays, retention_marks TO gateway_service;
    GRANT INSERT, UPDATE ON webhook_endpoint_health, webhook_replays TO gateway_service;
    GRANT INSERT ON webhook_attempts TO gateway_service;
END $$""",
)


def upgrade() -> None:
    for statement in (*_SCHEMA, *_months(), *_MOVE):
        op.execute(statement)


def _months() -> list[str]:
    """The partitions of this month and of the next twelve; `gateway retention` makes those that follow."""
    today = datetime.now(UTC)
    this_month = today.year * 12 + today.month - 1
    return [
        f"CREATE TABLE webhook_attempts_{_name(month, '_')} PARTITION OF webhook_attempts "
        f"FOR VALUES FROM ('{_name(month, '-')}-01T00:00:00Z') TO ('{_name(month + 1, '-')}-01T00:00:00Z')"
        for month in range(this_month, this_month + _MONTHS_AHEAD + 1)
    ]


def _name(month: int, mark: str) -> str:
    year, index = divmod(month, 12)
    return f"{year:04d}{mark}{index + 1:02d}"

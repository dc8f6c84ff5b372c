"""Providers: who serves which payment, what they call us about, requests that run out, and late successes.

Comes before the first release, like 0002: see there.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SCHEMA = (
    """
CREATE TABLE provider_routes (
    livemode boolean NOT NULL,
    merchant_id text COLLATE "C" REFERENCES merchants,
    method text,
    providers text[] NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT provider_routes_providers_check CHECK (cardinality(providers) BETWEEN 1 AND 8)
)""",
    """
CREATE UNIQUE INDEX provider_routes_one
    ON provider_routes (livemode, coalesce(merchant_id, ''), coalesce(method, ''))""",
    "INSERT INTO provider_routes VALUES (false, NULL, NULL, '{simulator}', now())",
    """
CREATE TABLE provider_callbacks (
    id text COLLATE "C" PRIMARY KEY,
    provider text NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C",
    body bytea NOT NULL,
    outcome text,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz,
    received_at timestamptz NOT NULL,
    handled_at timestamptz,
    CONSTRAINT provider_callbacks_handled_check CHECK ((handled_at IS NULL) = (due_at IS NOT NULL))
)""",
    "CREATE UNIQUE INDEX provider_callbacks_once ON provider_callbacks (provider, event_id)",
    "CREATE INDEX provider_callbacks_due ON provider_callbacks (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX provider_callbacks_age ON provider_callbacks (received_at)",
    """
ALTER TABLE payments
    ADD COLUMN provider text,
    ADD COLUMN provider_reference text,
    ADD COLUMN next_action jsonb,
    ADD COLUMN request_expires_at timestamptz,
    ADD COLUMN has_news boolean NOT NULL DEFAULT false""",
    # Whoever was asked before there were routes was the simulator.
    "UPDATE payments SET provider = 'simulator' WHERE attempt > 0",
    "CREATE INDEX payments_attention ON payments (id) WHERE needs_attention",
    "ALTER TABLE provider_answers ADD COLUMN reference text",
    """
ALTER TABLE merchants
    ADD COLUMN late_success text NOT NULL DEFAULT 'keep',
    ADD CONSTRAINT merchants_late_success_check CHECK (late_success IN ('keep', 'refund'))""",
    # For how long the worker's word holds: so processes that renew more often than others may share a database.
    "ALTER TABLE workers ADD COLUMN silent_after_seconds double precision NOT NULL DEFAULT 15",
    """
ALTER TABLE simulator_operations
    ADD COLUMN next_outcome text,
    ADD COLUMN next_in_seconds double precision,
    ADD COLUMN next_at timestamptz,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN callback_at timestamptz,
    ADD COLUMN callback_copies integer NOT NULL DEFAULT 0,
    ADD COLUMN callback_number integer NOT NULL DEFAULT 0,
    ADD COLUMN asked integer NOT NULL DEFAULT 1,
    ADD COLUMN refuses integer[] NOT NULL DEFAULT '{}'""",
    "CREATE INDEX simulator_operations_callback ON simulator_operations (callback_at) WHERE callback_at IS NOT NULL",
    """
CREATE INDEX simulator_operations_next ON simulator_operations (key)
    WHERE next_outcome IS NOT NULL AND next_at IS NULL""",
    """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gateway_service') THEN
        RETURN;
    END IF;
    GRANT SELECT ON provider_routes, provider_callbacks TO gateway_service;
    GRANT INSERT, UPDATE, DELETE ON provider_routes, provider_callbacks TO gateway_service;
    GRANT UPDATE (late_success) ON merchants TO gateway_service;
END $$""",
)


def upgrade() -> None:
    for statement in _SCHEMA:
        op.execute(statement)

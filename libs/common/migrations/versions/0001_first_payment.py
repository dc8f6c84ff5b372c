"""The tables of the main job: payments and refunds, their events, webhooks, idempotency, workers.

Forward only; expand first, contract in a later release: the previous release's code must run on this schema.
Text ids are compared byte by byte (COLLATE "C"): their time order is then the order of every index.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SCHEMA = """
CREATE TABLE merchants (
    id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE api_keys (
    id text COLLATE "C" PRIMARY KEY,
    merchant_id text COLLATE "C" NOT NULL REFERENCES merchants,
    livemode boolean NOT NULL,
    secret_hash text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT api_keys_mode_check CHECK (livemode = starts_with(id, 'key_live_'))
);

CREATE TABLE workers (
    id text COLLATE "C" PRIMARY KEY,
    service text NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL
);

CREATE TABLE idempotency_keys (
    merchant_id text COLLATE "C" NOT NULL,
    livemode boolean NOT NULL,
    route text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    response_status smallint NOT NULL,
    response_body bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, livemode, route, key)
);

CREATE TABLE payments (
    id text COLLATE "C" PRIMARY KEY,
    merchant_id text COLLATE "C" NOT NULL REFERENCES merchants,
    livemode boolean NOT NULL,
    order_id text COLLATE "C",
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    method text NOT NULL,
    vpa text,
    description text,
    metadata jsonb NOT NULL,
    status text NOT NULL,
    error_code text,
    error_message text,
    capture_method text NOT NULL,
    capture_status text,
    capture_number integer NOT NULL DEFAULT 0,
    amount_captured_minor bigint NOT NULL DEFAULT 0,
    amount_refunded_minor bigint NOT NULL DEFAULT 0,
    amount_refund_reserved_minor bigint NOT NULL DEFAULT 0,
    needs_attention boolean NOT NULL DEFAULT false,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    traceparent text,
    due_at timestamptz,
    rung_at timestamptz,
    worker_id text COLLATE "C",
    leased_at timestamptz,
    attempt integer NOT NULL DEFAULT 0,
    operation_attempt integer NOT NULL DEFAULT 0,
    CONSTRAINT payments_amount_check CHECK (amount_minor BETWEEN 1 AND 1000000000000),
    CONSTRAINT payments_captured_check CHECK (amount_captured_minor BETWEEN 0 AND amount_minor),
    CONSTRAINT payments_refunded_check CHECK (
        amount_refunded_minor BETWEEN 0 AND amount_refund_reserved_minor
        AND amount_refund_reserved_minor <= amount_captured_minor
    ),
    CONSTRAINT payments_status_check CHECK (
        status IN ('pending', 'processing', 'success', 'failed', 'cancelled', 'expired')
    ),
    CONSTRAINT payments_capture_status_check CHECK (capture_status IN ('pending', 'completed', 'failed')),
    CONSTRAINT payments_capture_check CHECK (
        (amount_captured_minor > 0) = (coalesce(capture_status, 'failed') <> 'failed')
    )
) WITH (fillfactor = 80);
CREATE INDEX payments_list ON payments (merchant_id, livemode, id);
CREATE INDEX payments_order ON payments (merchant_id, livemode, order_id, id) WHERE order_id IS NOT NULL;
CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL AND worker_id IS NULL;
CREATE INDEX payments_leased ON payments (worker_id) WHERE worker_id IS NOT NULL;

CREATE TABLE refunds (
    id text COLLATE "C" PRIMARY KEY,
    payment_id text COLLATE "C" NOT NULL REFERENCES payments,
    merchant_id text COLLATE "C" NOT NULL,
    livemode boolean NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    reason text,
    metadata jsonb NOT NULL,
    status text NOT NULL,
    error_code text,
    error_message text,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT refunds_amount_check CHECK (amount_minor >= 1),
    CONSTRAINT refunds_status_check CHECK (status IN ('pending', 'processing', 'processed', 'failed'))
);
CREATE INDEX refunds_payment ON refunds (payment_id, id);
CREATE INDEX refunds_list ON refunds (merchant_id, livemode, id);

CREATE TABLE events (
    id text COLLATE "C" PRIMARY KEY,
    merchant_id text COLLATE "C" NOT NULL,
    livemode boolean NOT NULL,
    type text NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    traceparent text,
    created_at timestamptz NOT NULL
);
CREATE INDEX events_object ON events (object_id, id);

CREATE TABLE webhook_endpoints (
    id text COLLATE "C" PRIMARY KEY,
    merchant_id text COLLATE "C" NOT NULL REFERENCES merchants,
    livemode boolean NOT NULL,
    url text NOT NULL,
    description text,
    event_types text[] NOT NULL,
    status text NOT NULL,
    sealed_secret bytea NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT webhook_endpoints_status_check CHECK (status IN ('enabled', 'disabled', 'deleted'))
);
CREATE INDEX webhook_endpoints_merchant ON webhook_endpoints (merchant_id, livemode, id)
    WHERE status <> 'deleted';

CREATE TABLE webhook_deliveries (
    id text COLLATE "C" PRIMARY KEY,
    event_id text COLLATE "C" NOT NULL REFERENCES events,
    endpoint_id text COLLATE "C" NOT NULL REFERENCES webhook_endpoints,
    merchant_id text COLLATE "C" NOT NULL,
    livemode boolean NOT NULL,
    status text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    last_response_status smallint,
    last_error text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    worker_id text COLLATE "C",
    leased_at timestamptz,
    claim integer NOT NULL DEFAULT 0,
    CONSTRAINT webhook_deliveries_status_check CHECK (
        status IN ('pending', 'delivered', 'failed', 'cancelled')
    ),
    CONSTRAINT webhook_deliveries_due_check CHECK ((due_at IS NOT NULL) = (status = 'pending'))
) WITH (fillfactor = 80);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_at)
    WHERE due_at IS NOT NULL AND worker_id IS NULL;
CREATE INDEX webhook_deliveries_leased ON webhook_deliveries (worker_id, endpoint_id) WHERE worker_id IS NOT NULL;
CREATE INDEX webhook_deliveries_list ON webhook_deliveries (merchant_id, livemode, id);

CREATE TABLE webhook_attempts (
    delivery_id text COLLATE "C" NOT NULL REFERENCES webhook_deliveries,
    number integer NOT NULL,
    started_at timestamptz NOT NULL,
    duration_ms integer NOT NULL,
    response_status smallint,
    response_body bytea NOT NULL,
    error text,
    PRIMARY KEY (delivery_id, number)
);

CREATE TABLE simulator_operations (
    key text COLLATE "C" PRIMARY KEY,
    kind text NOT NULL,
    payment_id text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    outcome text NOT NULL,
    answers boolean NOT NULL,
    ready_at timestamptz,
    requests integer NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT simulator_operations_kind_check CHECK (kind IN ('authorize', 'capture', 'void', 'refund'))
);
CREATE INDEX simulator_operations_payment ON simulator_operations (payment_id);
"""


def upgrade() -> None:
    for statement in _SCHEMA.strip().split(";\n"):
        op.execute(statement)

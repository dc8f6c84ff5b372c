"""Orders, every method, cards, ledger, event sequence, provider answers, key scopes, and the services' role.

Comes before the first release: no earlier code ever runs beside this one, no row of an earlier one has to be carried
over, and indexes are made plainly. From the first release on, use CONCURRENTLY and let the release before run on it.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SCHEMA = """
ALTER TABLE merchants ADD COLUMN fee_basis_points integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT merchants_fee_check CHECK (fee_basis_points BETWEEN 0 AND 10000);

ALTER TABLE api_keys
    ADD COLUMN name text,
    ADD COLUMN scopes text[] NOT NULL DEFAULT '{read,write,refunds,webhooks}',
    ADD COLUMN last_used_at timestamptz,
    ADD COLUMN replaced_by text COLLATE "C",
    ADD CONSTRAINT api_keys_scopes_check CHECK (
        cardinality(scopes) > 0 AND scopes <@ '{read,write,refunds,webhooks}'::text[]
    );
CREATE INDEX api_keys_merchant ON api_keys (merchant_id, livemode, id);

ALTER TABLE idempotency_keys
    ADD COLUMN request_id text,
    ADD COLUMN sealed boolean NOT NULL DEFAULT false,
    ADD COLUMN replays integer NOT NULL DEFAULT 0,
    ADD COLUMN last_replayed_at timestamptz;
-- Not BRIN: a range's oldest time never rises when rows are deleted, so the purge would come to read the whole table.
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE orders (
    id text COLLATE "C" PRIMARY KEY,
    merchant_id text COLLATE "C" NOT NULL REFERENCES merchants,
    livemode boolean NOT NULL,
    reference text COLLATE "C",
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    description text,
    metadata jsonb NOT NULL,
    status text NOT NULL,
    payment_id text COLLATE "C",
    attempts integer NOT NULL DEFAULT 0,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT orders_amount_check CHECK (amount_minor BETWEEN 1 AND 1000000000000),
    CONSTRAINT orders_status_check CHECK (status IN ('created', 'attempted', 'paid')),
    CONSTRAINT orders_paid_check CHECK (status <> 'paid' OR payment_id IS NOT NULL)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX orders_reference ON orders (merchant_id, livemode, reference) WHERE reference IS NOT NULL;
CREATE INDEX orders_list ON orders (merchant_id, livemode, id);

ALTER TABLE payments
    ADD COLUMN method_details jsonb NOT NULL DEFAULT '{"flow": "collect"}',
    ADD COLUMN bound_order_id text COLLATE "C",
    ADD COLUMN fee_basis_points integer NOT NULL DEFAULT 0,
    ADD COLUMN void_status text,
    ADD COLUMN authorization_expires_at timestamptz,
    ADD CONSTRAINT payments_void_status_check CHECK (void_status IN ('pending', 'completed', 'failed')),
    ADD CONSTRAINT payments_void_check CHECK (void_status IS NULL OR status IN ('cancelled', 'expired'));
CREATE UNIQUE INDEX payments_order_open ON payments (bound_order_id)
    WHERE bound_order_id IS NOT NULL AND status IN ('pending', 'processing');
CREATE INDEX payments_bound_order ON payments (bound_order_id, id) WHERE bound_order_id IS NOT NULL;
CREATE INDEX payments_status ON payments (merchant_id, livemode, status, id);
CREATE INDEX payments_method ON payments (merchant_id, livemode, method, id);
CREATE INDEX refunds_status ON refunds (merchant_id, livemode, status, id);

CREATE TABLE payment_cards (
    payment_id text COLLATE "C" PRIMARY KEY REFERENCES payments,
    key_id text NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE provider_answers (
    payment_id text COLLATE "C" NOT NULL REFERENCES payments,
    attempt integer NOT NULL,
    refund_id text COLLATE "C",
    provider text NOT NULL,
    operation text NOT NULL,
    outcome text NOT NULL,
    code text,
    message text,
    asked_at timestamptz NOT NULL,
    answered_at timestamptz NOT NULL,
    PRIMARY KEY (payment_id, attempt)
);

CREATE SEQUENCE event_positions;
ALTER TABLE events ADD COLUMN sequence bigint, ADD COLUMN position bigint;
ALTER TABLE events ALTER COLUMN position SET DEFAULT nextval('event_positions');
CREATE INDEX events_without_sequence ON events (position NULLS FIRST, id) WHERE sequence IS NULL;
CREATE UNIQUE INDEX events_sequence ON events (merchant_id, livemode, sequence) WHERE sequence IS NOT NULL;
CREATE TABLE event_sequences (
    merchant_id text COLLATE "C" NOT NULL REFERENCES merchants,
    livemode boolean NOT NULL,
    last bigint NOT NULL,
    PRIMARY KEY (merchant_id, livemode)
) WITH (fillfactor = 50);

CREATE TABLE ledger_entries (
    id text COLLATE "C" PRIMARY KEY,
    transaction_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    merchant_id text COLLATE "C" NOT NULL REFERENCES merchants,
    livemode boolean NOT NULL,
    account text NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    payment_id text COLLATE "C" NOT NULL REFERENCES payments,
    refund_id text COLLATE "C" REFERENCES refunds,
    created_at timestamptz NOT NULL,
    CONSTRAINT ledger_entries_amount_check CHECK (amount_minor <> 0),
    CONSTRAINT ledger_entries_account_check CHECK (
        account IN ('provider_clearing', 'merchant_balance', 'refund_hold', 'fees')
    )
);
CREATE UNIQUE INDEX ledger_entries_once ON ledger_entries (transaction_id, account);
CREATE INDEX ledger_entries_list ON ledger_entries (merchant_id, livemode, id);
CREATE INDEX ledger_entries_payment ON ledger_entries (payment_id, id);

CREATE TABLE ledger_balances (
    merchant_id text COLLATE "C" NOT NULL REFERENCES merchants,
    livemode boolean NOT NULL,
    account text NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    PRIMARY KEY (merchant_id, livemode, account, currency)
) WITH (fillfactor = 50);

CREATE FUNCTION ledger_transaction_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM ledger_entries
        WHERE transaction_id = NEW.transaction_id
        GROUP BY currency HAVING sum(amount_minor) <> 0
    ) THEN
        RAISE EXCEPTION 'ledger transaction % does not sum to zero', NEW.transaction_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_balanced';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_entries_balanced AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_transaction_balances();

DO $$
BEGIN
    CREATE ROLE gateway_service NOLOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'The role gateway_service is missing and may not be made: see README, "The two database roles".';
END $$;
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gateway_service') THEN
        RETURN;
    END IF;
    GRANT USAGE ON SCHEMA public TO gateway_service;
    GRANT USAGE ON SEQUENCE event_positions TO gateway_service;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO gateway_service;
    GRANT INSERT, UPDATE ON
        api_keys, workers, orders, payments, payment_cards, refunds, webhook_endpoints, webhook_deliveries,
        idempotency_keys, event_sequences, ledger_balances, simulator_operations
        TO gateway_service;
    -- What a merchant pays for its captures is not the services' to say.
    GRANT INSERT, UPDATE (name) ON merchants TO gateway_service;
    GRANT INSERT ON events, ledger_entries, provider_answers, webhook_attempts TO gateway_service;
    GRANT UPDATE (sequence) ON events TO gateway_service;
    GRANT DELETE ON workers, payment_cards, idempotency_keys TO gateway_service;
END $$;
"""


def upgrade() -> None:
    for statement in _split(_SCHEMA.strip()):
        op.execute(statement)


def _split(schema: str) -> list[str]:
    """The statements; the bodies between $$ hold semicolons of their own."""
    statements, body = [""], False
    for line in schema.splitlines(keepends=True):
        statements[-1] += line
        body ^= line.count("$$") % 2 == 1
        if line.endswith(";\n") and not body:
            statements.append("")
    return statements

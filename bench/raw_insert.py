"""What PostgreSQL alone does with the rows of a create: pgbench, prepared, one statement a transaction, durable."""

import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from bench.stack import Servers

CLIENTS = 16
STATEMENT = """
WITH payment AS (
    INSERT INTO payments (
        id, merchant_id, livemode, order_id, amount_minor, currency, method, vpa, metadata, status,
        capture_method, version, created_at, updated_at, due_at, rung_at
    )
    VALUES (
        'pay_' || gen_random_uuid(), 'mer_test', false, 'ord_bench', 50000, 'INR', 'upi', 'test@upi', '{}',
        'pending', 'manual', 1, now(), now(), now(), now()
    )
    RETURNING id
),
event AS (
    INSERT INTO events (id, merchant_id, livemode, type, object_id, body, created_at)
    SELECT 'evt_' || gen_random_uuid(), 'mer_test', false, 'payment.created', id,
        convert_to(repeat('x', 600), 'UTF8'), now()
    FROM payment
)
INSERT INTO idempotency_keys (
    merchant_id, livemode, route, key, fingerprint, response_status, response_body, created_at
)
SELECT 'mer_test', false, 'raw', id, '\\x00', 201, convert_to(repeat('x', 600), 'UTF8'), now()
FROM payment;
"""


def print_raw_inserts(servers: Servers, seconds: float) -> None:
    """Run it for whole seconds and print the transactions a second; the ceiling for creates without gathering."""
    script = servers.folder / "raw_insert.sql"
    script.write_text(STATEMENT)
    address = urlsplit(servers.database_url)
    done = subprocess.run(
        [
            str(Path(servers.postgres.exe()).with_name("pgbench")),
            *("--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", f"--time={max(1, round(seconds))}"),
            *(
                f"--file={script}",
                f"--host={address.hostname}",
                f"--port={address.port}",
                f"--username={address.username}",
            ),
            address.path.removeprefix("/"),
        ],
        capture_output=True,
        text=True,
        timeout=seconds + 30,
        check=False,
    )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode != 0 or found is None:
        raise SystemExit(f"pgbench failed:\n{done.stderr}")
    print(
        f"\nPostgreSQL alone, the same three rows in one statement, {CLIENTS} clients: {float(found[1]):.0f} a second"
    )

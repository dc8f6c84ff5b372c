"""The services' database role: it can't change the ledger or what was said, and no migration widens it unseen."""

from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

GROUP = "gateway_service"
CHANGEABLE = {
    "api_keys", "event_sequences", "idempotency_keys", "ledger_balances", "orders", "payment_cards",
    "payments", "provider_callbacks", "provider_routes", "refunds", "simulator_operations", "webhook_deliveries",
    "webhook_endpoint_health", "webhook_endpoints", "webhook_replays", "workers",
}  # fmt: skip
APPEND_ONLY = {"events", "ledger_entries", "provider_answers", "webhook_attempts"}
DELETABLE = {"idempotency_keys", "payment_cards", "provider_callbacks", "provider_routes", "workers"}
TABLE_RIGHTS = {
    **dict.fromkeys(CHANGEABLE, frozenset({"SELECT", "INSERT", "UPDATE"})),
    **dict.fromkeys(CHANGEABLE & DELETABLE, frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})),
    **dict.fromkeys(APPEND_ONLY, frozenset({"SELECT", "INSERT"})),
    "alembic_version": frozenset({"SELECT"}),
    "retention_marks": frozenset({"SELECT"}),
    # Made by who makes keys; renamed; what it pays is the owner's to say.
    "merchants": frozenset({"SELECT", "INSERT"}),
}
"""All the services may do. A migration that grants more, or makes a table they use, says so here."""


@pytest.fixture
def service(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    "statement",
    [
        *(f"{verb} {table}{rest}"
          for table in ("ledger_entries", "provider_answers", "webhook_attempts", "events")
          for verb, rest in (("DELETE FROM", ""), ("TRUNCATE", ""), ("DROP TABLE", ""))),
        "UPDATE ledger_entries SET amount_minor = 1",
        "UPDATE provider_answers SET outcome = 'approved'",
        "UPDATE webhook_attempts SET response_status = 200",
        "UPDATE events SET body = ''",
        "UPDATE events SET type = 'payment.success'",
        "ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_balanced",
        "SET session_replication_role = replica",
        "UPDATE merchants SET fee_basis_points = 0",
        "UPDATE alembic_version SET version_num = '0000'",
        "DELETE FROM payments",
        "CREATE TABLE mine (id text)",
        "CREATE ROLE other",
    ],
)  # fmt: skip
def test_the_services_can_not(service: psycopg.Connection, statement: LiteralString) -> None:
    with pytest.raises(InsufficientPrivilege):
        service.execute(statement)


def test_the_services_can_give_an_event_its_sequence(service: psycopg.Connection) -> None:
    service.execute("UPDATE events SET sequence = 1 WHERE sequence IS NULL")


def test_the_role_holds_no_right_beyond_this_list(service: psycopg.Connection) -> None:
    tables: dict[str, set[str]] = {}
    query = "SELECT table_name, privilege_type FROM information_schema.role_table_grants WHERE grantee = %s"
    for table, right in service.execute(query, [GROUP]):
        tables.setdefault(table, set()).add(right)
    columns = service.execute(
        """
        SELECT attrelid::regclass::text, attname, (aclexplode(attacl)).privilege_type
        FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid::regclass::text NOT LIKE 'pg\\_%'
        """
    ).fetchall()
    sequences = service.execute(
        "SELECT object_name, privilege_type FROM information_schema.role_usage_grants WHERE grantee = %s", [GROUP]
    ).fetchall()

    assert tables == TABLE_RIGHTS
    assert sorted(columns) == [
        ("events", "sequence", "UPDATE"),
        ("merchants", "late_success", "UPDATE"),
        ("merchants", "name", "UPDATE"),
    ]
    assert sequences == [("event_positions", "USAGE")]


def test_the_role_owns_nothing_and_is_nobody_else(service: psycopg.Connection) -> None:
    powers = """
    SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls, rolcanlogin
    FROM pg_roles WHERE pg_has_role(current_user, oid, 'MEMBER') ORDER BY rolname
    """
    owned = "SELECT count(*) FROM pg_class WHERE pg_has_role(current_user, relowner, 'MEMBER')"

    assert service.execute(powers).fetchall() == [("gateway", False, True), (GROUP, False, False)]
    assert service.execute(owned).fetchone() == (0,)

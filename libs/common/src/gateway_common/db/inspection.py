"""What a PostgreSQL server and the role we sign in with are, for who wonders why something does not work."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from gateway_common.db.database import Connection

# Without the tables (nobody has migrated) the rights are unknown, which is NULL here.
_INSPECT: Final = text("""
SELECT
    current_setting('server_version') AS version,
    CAST(current_setting('server_version_num') AS integer) / 10000 AS major_version,
    current_user AS role,
    current_setting('is_superuser') = 'on' AS is_superuser,
    pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = to_regclass('ledger_entries')), 'MEMBER')
        AS is_owner,
    has_table_privilege(to_regclass('ledger_entries'), 'UPDATE, DELETE, TRUNCATE')
        OR has_any_column_privilege(to_regclass('ledger_entries'), 'UPDATE') AS can_change_ledger,
    has_table_privilege(to_regclass('ledger_entries'), 'INSERT')
        AND has_table_privilege(to_regclass('payments'), 'UPDATE') AS can_work,
    clock_timestamp() AS now
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """The last three say nothing (None) of a database that was never migrated."""

    version: str
    major_version: int
    role: str
    now: datetime
    is_superuser: bool
    is_owner: bool | None
    can_change_ledger: bool | None
    can_work: bool | None


async def inspect_server(connection: Connection) -> ServerFacts:
    return ServerFacts(**(await connection.execute(_INSPECT)).one()._asdict())

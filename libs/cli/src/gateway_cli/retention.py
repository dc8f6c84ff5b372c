"""`gateway retention`: makes the months of webhook attempts that are to come, and drops what is kept no longer.

The services run on meanwhile. It may be killed anywhere, run twice at once, and repeated.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from gateway_cli.database import check_database
from gateway_cli.failure import Failure, UsageFailure
from gateway_cli.retention_job import Keeper
from gateway_common.db.database import Database, DatabaseUnavailableError, StatementRefusedError
from gateway_common.db.schema import schema_check
from gateway_common.retention.model import (
    ATTEMPTS_KEPT_DAYS,
    DELIVERIES_KEPT_DAYS,
    KEPT_DAYS_MOST,
    KeptDays,
    report_lines,
    report_snapshot,
)
from gateway_common.retention.store import try_lock
from gateway_common.settings import normalize_database_url

HOURS: Final = 3_600.0
OWNER_URL: Final = "MIGRATIONS_DATABASE_URL"


def owner_url(environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The address by which the owner of the tables signs in, and the setting it comes from; UsageFailure."""
    for setting in (OWNER_URL, "DATABASE_URL"):
        if address := environment.get(setting):
            return address, setting
    raise UsageFailure(f"Set {OWNER_URL} first, or DATABASE_URL if the services sign in as the owner.")


def read_kept_days(environment: Mapping[str, str] = os.environ) -> KeptDays:
    """For how long it all is kept; UsageFailure."""
    kept = KeptDays(
        attempts=_days(environment, "WEBHOOK_ATTEMPTS_KEPT_DAYS", ATTEMPTS_KEPT_DAYS),
        deliveries=_days(environment, "WEBHOOK_DELIVERIES_KEPT_DAYS", DELIVERIES_KEPT_DAYS),
    )
    if kept.deliveries < kept.attempts:
        raise UsageFailure("WEBHOOK_DELIVERIES_KEPT_DAYS must be at least WEBHOOK_ATTEMPTS_KEPT_DAYS.")
    return kept


def _days(environment: Mapping[str, str], name: str, default: int) -> int:
    given = environment.get(name) or str(default)
    days = int(given) if given.isascii() and given.isdigit() and len(given) <= len(str(KEPT_DAYS_MOST)) else 0
    if not 1 <= days <= KEPT_DAYS_MOST:
        raise UsageFailure(f"{name} must be a whole number of days from 1 to {KEPT_DAYS_MOST}, not {given!r}.")
    return days


async def print_retention(kept: KeptDays, *, dry_run: bool, as_json: bool) -> None:
    """Do what is to be done, or only look, and say what that was; Failure."""
    address, setting = owner_url()
    await check_database(address, setting=setting)
    async with _opened(address, setting) as database, database.statement() as lock:
        if not await try_lock(lock):
            raise Failure("Another retention of this database is at work.")
        keeper = Keeper(database, kept)
        plan, report = await (keeper.look() if dry_run else keeper.run())
    if as_json:
        print(json.dumps(report_snapshot(report, plan, dry_run=dry_run), indent=2))
    else:
        print("\n".join(report_lines(report, plan, dry_run=dry_run)))


@asynccontextmanager
async def _opened(address: str, setting: str) -> AsyncIterator[Database]:
    # One connection holds the lock, one works.
    database = Database(
        normalize_database_url(address),
        application_name="gateway-retention",
        pool_size=2,
        answer_timeout_seconds=6 * HOURS,
    )
    try:
        state = await schema_check(database)()
        if state != "ok":
            raise Failure(f"The database of {setting} can't be used: {state}.")
        yield database
    except StatementRefusedError as error:
        raise Failure(f"PostgreSQL refuses: {error}. Retention needs the tables' owner: set {OWNER_URL}.") from error
    except DatabaseUnavailableError as error:
        reason = str(error.__cause__ or error).partition("\n")[0]
        raise Failure(f"It was cut off, and may be run again: {reason}") from error
    finally:
        await asyncio.shield(database.close())

"""`gateway audit`: asks the database whether every invariant holds, and names the rows for which one does not."""

import json
import re
import time
from datetime import timedelta

import typer

from gateway_cli.database import check_database
from gateway_cli.failure import Failure, UnansweredFailure, UsageFailure
from gateway_common.audit.model import FINDINGS_MOST, Report, report_snapshot
from gateway_common.audit.store import audit
from gateway_common.clock import system_clock
from gateway_common.db.database import Database, DatabaseUnavailableError, StatementRefusedError
from gateway_common.db.schema import schema_check
from gateway_common.settings import WorkerSettings, normalize_database_url

TIMEOUT_SECONDS = 1_800.0
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def parse_period(period: str) -> timedelta:
    """A period like `24h`; UsageFailure if it is none."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", period)
    if found is None:
        raise UsageFailure(f"--since must be a number of minutes, hours or days, like 30m, 24h or 7d, not {period!r}.")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


async def print_audit(database_url: str, period: timedelta | None, *, as_json: bool) -> None:
    """Audit what was made in the period, or everything; typer.Exit with 1 if a check is broken."""
    started = time.monotonic()
    report = await _audit(database_url, period)
    seconds = time.monotonic() - started
    if as_json:
        print(json.dumps({**report_snapshot(report), "seconds": round(seconds, 3)}))
    else:
        print("\n".join(_lines(report, seconds)))
    if report.broken:
        raise typer.Exit(1)


async def _audit(database_url: str, period: timedelta | None) -> Report:
    try:
        await check_database(database_url)
    except UsageFailure:
        raise
    except Failure as failure:
        raise UnansweredFailure(str(failure)) from failure
    database = Database(normalize_database_url(database_url), application_name="gateway-audit", pool_size=1)
    since = None if period is None else system_clock() - period
    try:
        schema = await schema_check(database)()
        if schema != "ok":
            raise UnansweredFailure(f"The database can't be audited, {schema}.")
        async with database.snapshot(timeout_seconds=TIMEOUT_SECONDS) as connection:
            return await audit(connection, since=since, lease_limit_seconds=WorkerSettings().lease_limit_seconds)
    except StatementRefusedError as error:
        raise UnansweredFailure(f"PostgreSQL refuses to answer: {error}.") from error
    except DatabaseUnavailableError as error:
        reason = str(error.__cause__).partition("\n")[0]
        raise UnansweredFailure(f"The audit was cut off: {reason or 'it took too long'}.") from error
    finally:
        await database.close()


def _lines(report: Report, seconds: float) -> list[str]:
    asked = ", ".join(f"{count:,} {noun}" for noun, count in report.rows.items())
    if not report.broken:
        return [f"All {len(report.results)} checks hold ({asked} in {seconds:.1f} s)."]
    lines = []
    for result in report.broken:
        lines += [f"{finding.check}  {finding.subject}: {finding.detail}" for finding in result.findings]
        if result.count > FINDINGS_MOST:
            lines.append(f"{result.check.name}  and {result.count - FINDINGS_MOST:,} more")
    lines.append(f"{len(report.broken)} of {len(report.results)} checks are broken ({asked} in {seconds:.1f} s):")
    return lines + [f"  {result.check.name} ({result.count:,}): {result.check.sentence}" for result in report.broken]

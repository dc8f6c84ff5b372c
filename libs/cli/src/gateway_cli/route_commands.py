"""The commands of the routing table: what they are called with and what they print."""

from typing import Annotated

import typer

from gateway_cli import routes
from gateway_cli.database import with_database
from gateway_cli.failure import UsageFailure
from gateway_cli.options import AsJson
from gateway_cli.output import print_json, print_table
from gateway_common.clock import system_clock
from gateway_common.errors import UnprocessableError
from gateway_common.payments.model import PaymentMethod
from gateway_common.providers.book import FRESH_SECONDS
from gateway_common.providers.model import decide_route, route_snapshot

_LEARNED = f"Running processes learn of it within {FRESH_SECONDS:g} s."

route_commands = typer.Typer(no_args_is_help=True, help="Routes: which provider serves whom, list, set, remove.")

Providers = Annotated[list[str], typer.Argument(metavar="PROVIDER…", help="Who is asked, the preferred one first.")]
Live = Annotated[bool, typer.Option("--live/--test", help="Of payments with real money, or of tests.")]
Method = Annotated[str | None, typer.Option(help="Only of payments by upi, card, netbanking or wallet.")]
OneMerchant = Annotated[str | None, typer.Option("--merchant", help="Only of this merchant's payments, mer_….")]


@route_commands.command("list")
def list_routes(*, as_json: AsJson = False) -> None:
    """List all routes. For a payment the closest counts: its merchant's before everybody's, its method's before all."""
    shown = [route_snapshot(route) for route in with_database(routes.find_routes)]
    if as_json:
        print_json(shown)
        return
    rows = [
        (
            row["mode"],
            row["merchant_id"] or "every",
            row["method"] or "every",
            " ".join(row["providers"]),
            row["updated_at"],
        )
        for row in shown
    ]
    print_table(("mode", "merchant", "method", "providers", "set"), rows)


@route_commands.command("set")
def set_route(
    providers: Providers,
    method: Method = None,
    merchant: OneMerchant = None,
    *,
    live: Live = False,
    as_json: AsJson = False,
) -> None:
    """Say who serves such payments. Payments that a provider was asked for stay with it."""
    try:
        route = decide_route(
            providers, livemode=live, merchant_id=merchant, method=_parse_method(method), now=system_clock()
        )
    except UnprocessableError as error:
        raise UsageFailure(error.message) from error
    with_database(lambda database: routes.set_route(database, route))
    if as_json:
        print_json(route_snapshot(route))
        return
    names = " and, while that is down, ".join(route.providers)
    print(f"{_scope(live=live, merchant=merchant, method=method)} go to {names}. {_LEARNED}")


@route_commands.command("remove")
def remove_route(
    method: Method = None, merchant: OneMerchant = None, *, live: Live = False, as_json: AsJson = False
) -> None:
    """Remove the route for exactly these payments; the next wider one counts then."""
    wanted = _parse_method(method)
    with_database(lambda database: routes.remove_route(database, livemode=live, merchant_id=merchant, method=wanted))
    if as_json:
        print_json({"removed": True})
        return
    print(f"{_scope(live=live, merchant=merchant, method=method)} have no route of their own any more. {_LEARNED}")


def _parse_method(method: str | None) -> PaymentMethod | None:
    if method is None:
        return None
    if method not in set(PaymentMethod):
        raise UsageFailure(f"--method must be one of {', '.join(PaymentMethod)}, not {method!r}.")
    return PaymentMethod(method)


def _scope(*, live: bool, merchant: str | None, method: str | None) -> str:
    by = f" by {method}" if method else ""
    return f"{'Live' if live else 'Test'} payments{by} of {merchant or 'every merchant'}"

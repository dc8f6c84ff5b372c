"""The commands of merchants and API keys: what they are called with and what they print."""

from datetime import timedelta
from typing import Annotated, Final

import typer

from gateway_cli import keys
from gateway_cli.database import with_database
from gateway_cli.environment import keyring
from gateway_cli.failure import UsageFailure
from gateway_cli.options import AsJson, whole_number
from gateway_cli.output import print_json, print_table
from gateway_common.clock import format_time, system_clock
from gateway_common.merchants.model import (
    LIFETIME_MOST,
    OVERLAP_MOST,
    ApiKey,
    LateSuccess,
    Scope,
    api_key_snapshot,
    is_active,
    merchant_snapshot,
)

_NAME_CHARACTERS_MOST: Final = 100
_OVERLAP_HOURS_MOST: Final = int(OVERLAP_MOST.total_seconds()) // 3600
_SHOWN_ONCE: Final = "The secret is shown only now: the gateway keeps no more than its hash."

merchant_commands = typer.Typer(no_args_is_help=True, help="Merchants: make, list and change them.")
key_commands = typer.Typer(no_args_is_help=True, help="API keys: make, list, rotate and revoke them.")

KeyId = Annotated[str, typer.Argument(metavar="KEY", help="The key's id, key_test_… or key_live_….")]
MerchantId = Annotated[str, typer.Option("--merchant", help="The merchant's id, mer_….")]


@merchant_commands.command("create")
def create_merchant(
    name: Annotated[str, typer.Option(help="As its customers see it.")],
    fee_basis_points: Annotated[
        int,
        whole_number("--fee-basis-points", 0, 10_000, "What the gateway keeps of each capture: 250 is 2.5 %."),
    ] = 0,
    *,
    as_json: AsJson = False,
) -> None:
    """Make a merchant."""
    checked = _check_name(name)
    merchant = with_database(lambda database: keys.create_merchant(database, checked, fee_basis_points))
    if as_json:
        print_json(merchant_snapshot(merchant))
        return
    print(f"Made the merchant {merchant.id} ({merchant.name}).")
    print(f"Give it a key with: gateway keys create --merchant {merchant.id}")


@merchant_commands.command("list")
def list_merchants(*, as_json: AsJson = False) -> None:
    """List all merchants, newest first."""
    found = [merchant_snapshot(merchant) for merchant in with_database(keys.find_merchants)]
    if as_json:
        print_json(found)
        return
    rows = [(row["id"], row["name"], f"{row['fee_basis_points']} bp", row["created_at"]) for row in found]
    print_table(("merchant", "name", "fee", "made"), rows)


@merchant_commands.command("update")
def update_merchant(
    merchant_id: Annotated[str, typer.Argument(metavar="MERCHANT", help="The merchant's id, mer_….")],
    late_success: Annotated[
        str,
        typer.Option(metavar="keep|refund", help="What becomes of a payment that succeeds after it had ended."),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Say whether the merchant wants late successes; if not, they are given back at once."""
    if late_success not in set(LateSuccess):
        raise UsageFailure(f"--late-success must be keep or refund, not {late_success!r}.")
    wanted = LateSuccess(late_success)
    merchant = with_database(lambda database: keys.update_merchant(database, merchant_id, wanted))
    if as_json:
        print_json(merchant_snapshot(merchant))
        return
    what = "keeps them" if wanted is LateSuccess.KEEP else "has them given back at once"
    print(f"Payments of {merchant.id} ({merchant.name}) that succeed late: it {what}.")


@key_commands.command("create")
def create_key(
    merchant: MerchantId,
    name: Annotated[str | None, typer.Option(help="What the key is for.")] = None,
    scopes: Annotated[str, typer.Option(help="What it may do, separated by commas.")] = ",".join(Scope),
    expires_in_days: Annotated[
        int | None, whole_number("--expires-in-days", 1, LIFETIME_MOST.days, "Forever if unset.")
    ] = None,
    *,
    live: Annotated[bool, typer.Option("--live", help="A key for real money; otherwise for test mode.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an API key. Its secret is printed once."""
    wanted = keys.WantedKey(
        merchant_id=merchant,
        livemode=live,
        name=None if name is None else _check_name(name),
        scopes=_parse_scopes(scopes),
        lifetime=None if expires_in_days is None else timedelta(days=expires_in_days),
    )
    ring = keyring()
    key, secret = with_database(lambda database: keys.create_key(database, ring, wanted))
    _print_key(key, secret, f"Made a {_mode(key)} key of {key.merchant_id} ({key.merchant_name}).", as_json=as_json)


@key_commands.command("list")
def list_keys(merchant: MerchantId, *, as_json: AsJson = False) -> None:
    """List a merchant's keys of both modes, never their secrets."""
    found = with_database(lambda database: keys.find_keys(database, merchant))
    if as_json:
        print_json([api_key_snapshot(key) for key in found])
        return
    rows = [
        (
            key.id,
            key.name or "-",
            _scopes(key),
            _state(key),
            format_time(key.last_used_at) if key.last_used_at else "never",
        )
        for key in found
    ]
    print_table(("key", "name", "scopes", "state", "last used"), rows)


@key_commands.command("rotate")
def rotate_key(
    key_id: KeyId,
    overlap_hours: Annotated[
        int,
        whole_number("--overlap-hours", 0, _OVERLAP_HOURS_MOST, "How long the old secret works on; 0 ends it at once."),
    ] = 24,
    *,
    as_json: AsJson = False,
) -> None:
    """Make a key's successor. Its secret is printed once; the key itself works on for the overlap."""
    ring, overlap = keyring(), timedelta(hours=overlap_hours)
    retired, successor, secret = with_database(lambda database: keys.rotate_key(database, ring, key_id, overlap))
    _print_key(successor, secret, f"{retired.id} {_state(retired)}; this key replaces it.", as_json=as_json)


@key_commands.command("revoke")
def revoke_key(key_id: KeyId, *, as_json: AsJson = False) -> None:
    """End a key. Within a second it opens nothing any more."""
    shown = api_key_snapshot(with_database(lambda database: keys.revoke_key(database, key_id)))
    if as_json:
        print_json(shown)
        return
    print(f"{key_id} is revoked since {shown['revoked_at']}. Processes of the API learn of it within a second.")


def _print_key(key: ApiKey, secret: str, heading: str, *, as_json: bool) -> None:
    if as_json:
        print_json(api_key_snapshot(key) | {"secret": secret})
        return
    print(f"{heading}\n\n  X-Api-Key:    {key.id}\n  X-Api-Secret: {secret}\n  Scopes:       {_scopes(key)}")
    if key.expires_at:
        print(f"  Expires:      {format_time(key.expires_at)}")
    print(f"\n{_SHOWN_ONCE}")


def _check_name(name: str) -> str:
    if not 1 <= len(name) <= _NAME_CHARACTERS_MOST or not name.isprintable():
        raise UsageFailure(f"--name must have 1 to {_NAME_CHARACTERS_MOST} printable characters.")
    return name


def _parse_scopes(text: str) -> frozenset[Scope]:
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in set(Scope)]
    if unknown:
        raise UsageFailure(f"--scopes: {unknown[0]!r} is none. There are {', '.join(Scope)}.")
    return frozenset(map(Scope, names))


def _scopes(key: ApiKey) -> str:
    return ",".join(scope for scope in Scope if scope in key.scopes)


def _mode(key: ApiKey) -> str:
    return "live" if key.livemode else "test"


def _state(key: ApiKey) -> str:
    if key.revoked_at:
        return f"revoked {format_time(key.revoked_at)}"
    if key.expires_at:
        word = "expires" if is_active(key, system_clock()) else "expired"
        return f"{word} {format_time(key.expires_at)}"
    return "active"

"""`gateway reseal`: seals every stored value anew under the first master key, and says what still needs another.

The services run on meanwhile, and it can be interrupted and repeated at any time: each value is replaced by a
statement of its own, if it is still the one that was read.
"""

import json
from dataclasses import dataclass, field
from typing import Final

from gateway_cli.database import opened
from gateway_cli.failure import Failure
from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring, SealBrokenError
from gateway_common.db.database import Database
from gateway_common.merchants.store import count_old_hashes
from gateway_common.reseal.model import SealedKind, SealedRow, reseal
from gateway_common.reseal.store import list_sealed_rows, save_sealed_row

BATCH = 1_000
_NOUNS: Final = {
    SealedKind.WEBHOOK_ENDPOINT: "webhook signing secrets",
    SealedKind.OLD_WEBHOOK_SECRET: "old webhook signing secrets",
    SealedKind.WEBHOOK_HEADERS: "webhook endpoints' own headers",
    SealedKind.CARD: "cards of payments under way",
    SealedKind.ANSWER: "answers that hold a secret",
}


@dataclass(slots=True)
class Report:
    """What was done, and what still needs an older master key."""

    resealed: dict[SealedKind, int] = field(default_factory=lambda: dict.fromkeys(SealedKind, 0))
    unreadable: dict[SealedKind, int] = field(default_factory=lambda: dict.fromkeys(SealedKind, 0))
    """Sealed by a master key that is not there, or damaged."""
    old_fingerprints: int = 0
    """Answers whose repeated requests only an older key knows again; they end after 30 days."""
    old_hashes: int = 0
    """Active API keys whose secret only an older key verifies; each moves when it is next used."""

    @property
    def is_complete(self) -> bool:
        """Whether the first master key suffices for all there is."""
        return not (any(self.unreadable.values()) or self.old_fingerprints or self.old_hashes)


async def print_resealing(database_url: str, keyring: Keyring, *, as_json: bool) -> None:
    """Reseal everything and say what was done; Failure if some of it could not be opened."""
    async with opened(database_url) as database:
        report = await reseal_all(database, keyring)
    print(json.dumps(_snapshot(report), indent=2) if as_json else "\n".join(_lines(report)))
    unreadable = [f"{kind}: {count}" for kind, count in report.unreadable.items() if count]
    if unreadable:
        raise Failure(
            f"Some values can't be opened ({', '.join(unreadable)}): the master key that sealed them is not in "
            "GATEWAY_MASTER_KEY, or they are damaged. Drop no key, add the missing one, and run this again."
        )


async def reseal_all(database: Database, keyring: Keyring) -> Report:
    report = Report()
    for kind in SealedKind:
        after = None
        while True:
            async with database.statement() as connection:
                rows = await list_sealed_rows(connection, kind, limit=BATCH, after=after)
            if not rows:
                break
            after = rows[-1].place
            for row in rows:
                await _reseal_row(database, keyring, kind, row, report=report)
    async with database.statement() as connection:
        report.old_hashes = await count_old_hashes(connection, keyring.current_key_id, system_clock())
    return report


async def _reseal_row(
    database: Database, keyring: Keyring, kind: SealedKind, row: SealedRow, *, report: Report
) -> None:
    if row.fingerprint is not None and keyring.key_id(row.fingerprint) != keyring.current_key_id:
        report.old_fingerprints += 1
    try:
        sealed = reseal(keyring, kind, row)
    except SealBrokenError:
        report.unreadable[kind] += 1
        return
    if sealed is None:
        return
    async with database.statement() as connection:
        if await save_sealed_row(connection, kind, row, sealed, keyring.current_key_id):
            report.resealed[kind] += 1


def _snapshot(report: Report) -> dict[str, object]:
    return {
        "resealed": report.resealed,
        "unreadable": report.unreadable,
        "api_keys_under_old_key": report.old_hashes,
        "idempotency_keys_under_old_key": report.old_fingerprints,
        "old_keys_may_be_dropped": report.is_complete,
    }


def _lines(report: Report) -> list[str]:
    lines = [f"{count:>8}  {_NOUNS[kind]} sealed anew" for kind, count in report.resealed.items()]
    lines += [f"{count:>8}  {_NOUNS[kind]} that no key opens" for kind, count in report.unreadable.items() if count]
    lines += [
        f"{report.old_hashes:>8}  API keys that still need an older master key, until each is next used",
        f"{report.old_fingerprints:>8}  Idempotency-Keys that still need one, until they are 30 days old",
    ]
    if report.is_complete:
        lines.append("The older master keys may be dropped.")
    elif not any(report.unreadable.values()):
        lines.append("Keep the older master keys, and run this again later.")
    return lines

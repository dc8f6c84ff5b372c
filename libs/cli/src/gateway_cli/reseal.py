"""Seals every stored value anew under the first master key, while the services run, and says what still needs another.

It can be interrupted and repeated at any time: each value is replaced by a statement of its own, if it is still the
one that was read.
"""

from dataclasses import dataclass, field

from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring, SealBrokenError
from gateway_common.db.database import Database
from gateway_common.merchants.store import count_old_hashes
from gateway_common.reseal.model import SealedKind, SealedRow, reseal
from gateway_common.reseal.store import list_sealed_rows, save_sealed_row

BATCH = 1_000


@dataclass(slots=True)
class Report:
    """What was done, and what still needs an older master key."""

    resealed: dict[SealedKind, int] = field(default_factory=lambda: dict.fromkeys(SealedKind, 0))
    unreadable: int = 0
    """Sealed by a master key that is not there, or damaged."""
    old_fingerprints: int = 0
    """Answers whose repeated requests only an older key knows again; they end after 30 days."""
    old_hashes: int = 0
    """Active API keys whose secret only an older key verifies; each moves when it is next used."""

    @property
    def is_complete(self) -> bool:
        """Whether the first master key suffices for all there is."""
        return not (self.unreadable or self.old_fingerprints or self.old_hashes)


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
        report.unreadable += 1
        return
    if sealed is None:
        return
    async with database.statement() as connection:
        if await save_sealed_row(connection, kind, row, sealed, keyring.current_key_id):
            report.resealed[kind] += 1

"""What processors write down before they die: each step of each payment. It says who was cut short and who went on."""

import json
import os
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from tests.support.crash_plan import Row

from gateway_processor.steps import Step

DEATH: Final = "death"
Lease = tuple[str, int]
"""A payment and the number of its lease."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A life passed a step, or ended (`what` is `death`, `column` where). Times are of the machine's steady clock."""

    at: float
    life: int
    what: str
    row: Row
    payment: str
    attempt: int
    column: str = ""

    @property
    def lease(self) -> Lease:
        return self.payment, self.attempt

    def as_death(self, column: str, at: float) -> "Entry":
        return replace(self, what=DEATH, column=column, at=at)


@dataclass(frozen=True)
class Resumed:
    """A payment that a death cut short, and how long it took until another life claimed it (None: never)."""

    death: Entry
    payment: str
    seconds: float | None


def write_entry(file: int, entry: Entry) -> None:
    """Append a line in one write, which outlives the process that made it."""
    os.write(file, json.dumps(asdict(entry)).encode() + b"\n")


class Diary:
    """All lives together. `answered` names the leases that PostgreSQL holds an answer for: they were recorded."""

    def __init__(self, path: Path, answered: Collection[Lease]) -> None:
        lines = path.read_text().splitlines()
        entries = [Entry(**values | {"row": Row(values["row"])}) for values in map(json.loads, lines)]
        self._answered = answered
        self._entries = sorted(entries, key=lambda entry: entry.at)

    @cached_property
    def deaths(self) -> dict[int, Entry]:
        return {entry.life: entry for entry in self._entries if entry.what == DEATH}

    @cached_property
    def _claims(self) -> dict[Lease, Entry]:
        """Who claimed each lease and when. A life may die before it can tell of a claim: then the next one is made only
        after its death. If that came sooner, the claim was refused; a callback counts up the attempt too.
        """
        claims = {entry.lease: entry for entry in self._entries if entry.what == Step.CLAIMED}
        told = defaultdict(list)
        for claim in claims.values():
            told[claim.payment].append(claim)
        untold = {}
        for entry in self._entries:
            death = self.deaths.get(entry.life)
            if entry.what == Step.CLAIMING and death:
                later = [claim.at for claim in told[entry.payment] if claim.attempt > entry.attempt]
                if later and min(later) > death.at:
                    untold[entry.lease] = entry
        return untold | claims

    @cached_property
    def _last_seen(self) -> dict[Lease, float]:
        return {entry.lease: entry.at for entry in self._entries if entry.what not in {DEATH, Step.CLAIMING}}

    @cached_property
    def _claims_of(self) -> dict[str, list[Entry]]:
        claims = defaultdict(list)
        for claim in self._claims.values():
            claims[claim.payment].append(claim)
        return claims

    def resumed(self) -> Iterator[Resumed]:
        """Each payment that a killed life had claimed and not recorded, and what it died at the beginning of."""
        for lease, claim in self._claims.items():
            death = self.deaths.get(claim.life)
            if death and lease not in self._answered and lease not in self.lost_by_the_living:
                yield Resumed(
                    death, claim.payment, self._seconds_until_claimed(death, claim.payment, claim.attempt + 1)
                )
        for death in self.deaths.values():
            if death.row is Row.CALLBACK:
                yield Resumed(death, "", self._seconds_until_looked_for_callbacks(death))
            elif self._was_free(death):
                seconds = self._seconds_until_claimed(death, death.payment, death.attempt)
                if seconds is not None:  # None: a ring too late, for a payment that was done.
                    yield Resumed(death, death.payment, seconds)

    def _was_free(self, death: Entry) -> bool:
        holder = self._claims.get(death.lease)
        before = self._last_seen.get((death.payment, death.attempt - 1), 0.0)
        return before < death.at and (holder is None or holder.at > death.at)

    def _seconds_until_claimed(self, death: Entry, payment: str, attempt: int) -> float | None:
        claims = [claim.at for claim in self._claims_of[payment] if claim.attempt >= attempt]
        return min((at - death.at for at in claims if at > death.at), default=None)

    def _seconds_until_looked_for_callbacks(self, death: Entry) -> float | None:
        looked = (entry for entry in self._entries if entry.row is Row.CALLBACK and entry.what == Step.CLAIMING)
        return next((entry.at - death.at for entry in looked if entry.at > death.at), None)

    @cached_property
    def lost_by_the_living(self) -> set[Lease]:
        """Leases that were taken from a process that still lived, but had said so too long ago."""
        lost = set()
        for lease, claim in self._claims.items():
            successor = self._claims.get((claim.payment, claim.attempt + 1))
            death = self.deaths.get(claim.life)
            if lease not in self._answered and successor and (death is None or successor.at < death.at):
                lost.add(lease)
        return lost

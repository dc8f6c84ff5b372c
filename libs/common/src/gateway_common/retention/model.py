"""Which months of attempts there are to be, which may go, and from when on something is kept. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway_common.clock import format_time

MONTHS_AHEAD: Final = 12
"""Made ahead, so that a retention that does not run for a year is no trouble yet."""
ATTEMPTS_KEPT_DAYS: Final = 90
DELIVERIES_KEPT_DAYS: Final = 180
KEPT_DAYS_MOST: Final = 36_500
ATTEMPTS: Final = "webhook_attempts"
DELIVERIES: Final = "webhook_deliveries"
"""The names of what is kept, in the table of marks."""
_MONTHS_A_YEAR: Final = 12


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month in UTC, which is a partition of attempts."""

    year: int
    number: int

    @property
    def first_moment(self) -> datetime:
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def name(self) -> str:
        """`2026-11`."""
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def partition(self) -> str:
        return f"{ATTEMPTS}_{self.year:04d}_{self.number:02d}"

    def later(self, months: int) -> "Month":
        years, index = divmod(self.number - 1 + months, _MONTHS_A_YEAR)
        return Month(self.year + years, index + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDays:
    """For how many days each is kept: attempts at least so long, for they go by whole months."""

    attempts: int = ATTEMPTS_KEPT_DAYS
    deliveries: int = DELIVERIES_KEPT_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done with the months, and what may go: whatever is older than these two moments."""

    make: tuple[Month, ...]
    drop: tuple[Month, ...]
    attempts_from: datetime
    deliveries_from: datetime


@dataclass(slots=True, kw_only=True)
class Report:
    """What one run did, or would do."""

    made: list[Month] = field(default_factory=list)
    attempts_moved: int = 0
    """Those that had come when their month was not there yet."""
    dropped: list[Month] = field(default_factory=list)
    bytes_freed: int = 0
    attempts_deleted: int = 0
    """Old ones that had no month."""
    deliveries_deleted: int = 0
    replays_deleted: int = 0


def month_of(moment: datetime) -> Month:
    in_utc = moment.astimezone(UTC)
    return Month(in_utc.year, in_utc.month)


def decide_plan(now: datetime, kept: KeptDays, *, present: Collection[Month], astray: Collection[Month]) -> Plan:
    """`present` are the months that have a partition, `astray` those of attempts that found none.

    Months that have attempts already are made first: then the partition that held them is empty, and making the others
    takes no time. An attempt from a clock that is years ahead makes no month.
    """
    oldest = month_of(now - timedelta(days=kept.attempts))
    last = month_of(now).later(MONTHS_AHEAD)
    ahead = {month_of(now).later(months) for months in range(MONTHS_AHEAD + 1)}
    late = {month for month in astray if oldest <= month <= last} - set(present)
    return Plan(
        make=(*sorted(late), *sorted(ahead - late - set(present))),
        drop=tuple(sorted(month for month in present if month < oldest)),
        attempts_from=oldest.first_moment,
        deliveries_from=now - timedelta(days=kept.deliveries),
    )


def report_snapshot(report: Report, plan: Plan, *, dry_run: bool) -> dict[str, Any]:
    """The report for a program to read."""
    return {
        "dry_run": dry_run,
        "months_made": [month.name for month in report.made],
        "attempts_moved": report.attempts_moved,
        "months_dropped": [month.name for month in report.dropped],
        "bytes_freed": report.bytes_freed,
        "attempts_deleted": report.attempts_deleted,
        "deliveries_deleted": report.deliveries_deleted,
        "replays_deleted": report.replays_deleted,
        "attempts_kept_from": format_time(plan.attempts_from),
        "deliveries_kept_from": format_time(plan.deliveries_from),
    }


def report_lines(report: Report, plan: Plan, *, dry_run: bool) -> list[str]:
    """The report in words."""
    would = "would be " if dry_run else ""
    counts: Mapping[str, int] = {
        f"months of attempts {would}made: {_names(report.made)}": len(report.made),
        f"attempts {would}moved into their months": report.attempts_moved,
        f"months of attempts {would}dropped ({_size(report.bytes_freed)}): {_names(report.dropped)}": len(
            report.dropped
        ),
        f"older attempts that had no month {would}deleted": report.attempts_deleted,
        f"ended deliveries {would}deleted": report.deliveries_deleted,
        f"replays {would}deleted": report.replays_deleted,
    }
    lines = [f"{count:>12,}  {what}" for what, count in counts.items() if count]
    if not lines:
        lines = ["Nothing is to be done."]
    first_day, first_deliveries = f"{plan.attempts_from:%Y-%m-%d}", f"{plan.deliveries_from:%Y-%m-%d}"
    return [*lines, f"Attempts are kept from {first_day} on, ended deliveries from {first_deliveries} on."]


def _names(months: Collection[Month]) -> str:
    if not months:
        return ""
    first, last = min(months).name, max(months).name
    return first if first == last else f"{first} to {last}"


def _size(count: int) -> str:
    size, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:  # noqa: PLR2004
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"

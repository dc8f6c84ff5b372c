"""What is audited, in a sentence each, and what an audit found. The questions themselves are SQL, in store.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway_common.ids import EVENT, LEDGER_ENTRY, ORDER, PAYMENT, REFUND, WEBHOOK_DELIVERY, first_id

CLOCKS_APART_MOST: Final = timedelta(hours=1)
"""An event's id may be older than its object's by what the clocks of two machines differ, and no more."""
FINDINGS_MOST: Final = 100
"""So many rows are named per check; the rest is counted."""
_EPOCH: Final = datetime(1970, 1, 2, tzinfo=UTC)
"""Older than everything, and far enough from the least time there is to reckon with."""


@dataclass(frozen=True, slots=True)
class Check:
    """A sentence that must be true of every row."""

    name: str
    sentence: str


CHECKS: Final = (
    Check("ledger_unbalanced", "The entries of each ledger transaction sum to zero in each currency."),
    Check("ledger_balance_wrong", "Each balance is the sum of its entries."),
    Check("capture_not_booked", "A capture is completed exactly if the ledger has booked its amount."),
    Check("refund_not_booked", "The ledger holds, pays out or releases each refund as its status says."),
    Check("captured_over_authorized", "No payment is captured for more than was authorized."),
    Check("refunds_over_captured", "Refunds stay within what was captured, and the payment knows their sums."),
    Check("event_missing", "Each change of a payment, refund or order has its event."),
    Check("event_sequence_gap", "Each merchant's events are numbered without gap or repeat, within a minute."),
    Check("deliveries_missing", "Each event has as many deliveries as it was given."),
    Check("delivery_unproven", "What counts as delivered was answered 2xx by its last attempt."),
    Check("delivery_overlooked", "No delivery that is due for a minute is out of every dispatcher's sight."),
    Check("endpoint_health_missing", "Each webhook endpoint has its row of health, without which nothing is sent."),
    Check("lease_overdue", "No lease is left with a silent worker or a forgotten job for a minute."),
    Check("work_overdue", "No work that is due waits ten minutes for a worker."),
    Check("card_left_behind", "A card is kept only while its payment is under way."),
    Check("order_wrong", "An order is paid by one successful payment of its amount, and knows which is under way."),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that breaks a check: its id, and how."""

    check: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The rows that break one check. `count` is all of them, `findings` names the first hundred."""

    check: Check
    findings: tuple[Finding, ...]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One audit: every check asked of one moment, and how many rows there were to ask."""

    results: tuple[CheckResult, ...]
    rows: Mapping[str, int]

    @property
    def broken(self) -> tuple[CheckResult, ...]:
        return tuple(result for result in self.results if result.count)


def window_parameters(since: datetime | None) -> dict[str, Any]:
    """The ids from which on rows are asked, by noun: ids are in order of time. Without `since`, all rows are."""
    prefixes = {"payments": PAYMENT, "refunds": REFUND, "orders": ORDER, "entries": LEDGER_ENTRY}
    if since is None:
        return {"everything": True, "events_from": "", **{f"{noun}_from": "" for noun in prefixes}}
    bounds = {f"{noun}_from": first_id(prefix, since) for noun, prefix in prefixes.items()}
    return {"everything": False, "events_from": first_id(EVENT, since - CLOCKS_APART_MOST), **bounds}


def kept_parameters(since: datetime | None, marks: Mapping[str, datetime]) -> dict[str, Any]:
    """From where on deliveries and attempts are asked for: what retention may have dropped is not missed.

    `marks` say from when on each is kept. A delivery has the time of its event in its id.
    """
    begin = _EPOCH if since is None else since - CLOCKS_APART_MOST
    deliveries_kept = max(begin, marks.get("webhook_deliveries", _EPOCH))
    attempts_kept = marks.get("webhook_attempts", _EPOCH)
    return {
        "given_events_from": first_id(EVENT, deliveries_kept),
        "deliveries_from": first_id(WEBHOOK_DELIVERY, deliveries_kept),
        "attempts_from": max(begin - CLOCKS_APART_MOST, attempts_kept),
        # Recorded after its start, by the clock of another machine.
        "attempts_recorded_from": attempts_kept + CLOCKS_APART_MOST,
    }


def report_snapshot(report: Report) -> dict[str, Any]:
    """The report for a program to read."""
    return {
        "holds": not report.broken,
        "rows": dict(report.rows),
        "checks": [
            {
                "name": result.check.name,
                "sentence": result.check.sentence,
                "count": result.count,
                "findings": [{"subject": finding.subject, "detail": finding.detail} for finding in result.findings],
            }
            for result in report.results
        ],
    }

"""Double entry without I/O: which accounts gain and which give when money moves.

An entry's amount is what its account gains. `provider_clearing` goes below zero by what the provider still has of ours;
the other accounts say whose money that is.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from gateway_common.clock import format_time

BASIS_POINTS: Final = 10_000


class Account(StrEnum):
    PROVIDER_CLEARING = "provider_clearing"
    """What providers took and have not paid out, as a negative sum."""
    MERCHANT_BALANCE = "merchant_balance"
    REFUND_HOLD = "refund_hold"
    """Set aside for refunds that are under way."""
    FEES = "fees"


class PostingKind(StrEnum):
    CAPTURE = "capture"
    REFUND_HOLD = "refund_hold"
    REFUND = "refund"
    REFUND_RELEASE = "refund_release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One transaction of the ledger. Its id follows from what it books, so nothing can be booked twice."""

    transaction_id: str
    kind: PostingKind
    merchant_id: str
    livemode: bool
    currency: str
    payment_id: str
    refund_id: str | None = None
    lines: tuple[tuple[Account, int], ...]
    """Account and amount in minor units; they sum to zero and none is zero."""
    created_at: datetime

    def __post_init__(self) -> None:
        if sum(amount for _, amount in self.lines) != 0 or any(amount == 0 for _, amount in self.lines):
            raise ValueError(f"{self.transaction_id} does not balance")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One line of a posting, as it is stored."""

    id: str
    transaction_id: str
    kind: PostingKind
    account: Account
    currency: str
    amount_minor: int
    payment_id: str
    refund_id: str | None
    livemode: bool
    created_at: datetime


def fee_of(amount_minor: int, basis_points: int) -> int:
    """The fee of a capture in minor units: a share of the amount, half a unit rounded up."""
    return (amount_minor * basis_points + BASIS_POINTS // 2) // BASIS_POINTS


def capture_lines(amount_minor: int, fee_minor: int) -> tuple[tuple[Account, int], ...]:
    """The provider took the money: it is the merchant's, less the fee."""
    return _without_zeros(
        (Account.PROVIDER_CLEARING, -amount_minor),
        (Account.MERCHANT_BALANCE, amount_minor - fee_minor),
        (Account.FEES, fee_minor),
    )


def hold_lines(amount_minor: int) -> tuple[tuple[Account, int], ...]:
    """A refund is decided: its amount is no longer the merchant's to spend."""
    return (Account.MERCHANT_BALANCE, -amount_minor), (Account.REFUND_HOLD, amount_minor)


def refund_lines(amount_minor: int) -> tuple[tuple[Account, int], ...]:
    """The provider gave the money back to the customer."""
    return (Account.REFUND_HOLD, -amount_minor), (Account.PROVIDER_CLEARING, amount_minor)


def release_lines(amount_minor: int) -> tuple[tuple[Account, int], ...]:
    """The refund failed: what was held is the merchant's again."""
    return (Account.REFUND_HOLD, -amount_minor), (Account.MERCHANT_BALANCE, amount_minor)


def _without_zeros(*lines: tuple[Account, int]) -> tuple[tuple[Account, int], ...]:
    return tuple(line for line in lines if line[1] != 0)


def entry_snapshot(entry: LedgerEntry) -> dict[str, Any]:
    """The entry as the API shows it."""
    return {
        "id": entry.id,
        "object": "ledger_entry",
        "transaction_id": entry.transaction_id,
        "kind": entry.kind,
        "account": entry.account,
        "amount": entry.amount_minor,
        "currency": entry.currency,
        "payment_id": entry.payment_id,
        "refund_id": entry.refund_id,
        "livemode": entry.livemode,
        "created_at": format_time(entry.created_at),
    }


def balance_snapshot(balances: dict[tuple[str, str], int], *, livemode: bool) -> dict[str, Any]:
    """Balances by (currency, account) as the API shows them: one line a currency, from the merchant's side."""
    currencies = sorted({currency for currency, _ in balances})
    return {
        "object": "balance",
        "livemode": livemode,
        "data": [
            {
                "currency": currency,
                "available": balances.get((currency, Account.MERCHANT_BALANCE), 0),
                "held_for_refunds": balances.get((currency, Account.REFUND_HOLD), 0),
                "fees": balances.get((currency, Account.FEES), 0),
                "with_providers": -balances.get((currency, Account.PROVIDER_CLEARING), 0),
            }
            for currency in currencies
        ],
    }

"""The bodies of balance and ledger answers."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel

from gateway_api.fields import starting_after
from gateway_common.ids import LEDGER_ENTRY
from gateway_common.ledger.model import Account, PostingKind

AfterLedgerEntry = Annotated[str | None, starting_after(LEDGER_ENTRY)]


class CurrencyBalance(BaseModel):
    currency: str
    available: int
    held_for_refunds: int
    fees: int
    with_providers: int


class BalanceBody(BaseModel):
    object: Literal["balance"]
    livemode: bool
    data: list[CurrencyBalance]


class LedgerEntryBody(BaseModel):
    id: str
    object: Literal["ledger_entry"]
    transaction_id: str
    kind: PostingKind
    account: Account
    amount: int
    currency: str
    payment_id: str
    refund_id: str | None
    livemode: bool
    created_at: datetime


class LedgerEntryPage(BaseModel):
    object: Literal["list"]
    data: list[LedgerEntryBody]
    has_more: bool
    next_cursor: str | None

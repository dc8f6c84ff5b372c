"""The bodies of refund requests and answers."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from gateway_api.fields import Amount, Metadata, RequestBody, Text, starting_after
from gateway_api.payments.schemas import ErrorDetail
from gateway_common.ids import REFUND
from gateway_common.refunds.model import RefundStatus

AfterRefund = Annotated[str | None, starting_after(REFUND)]


class CreateRefund(RequestBody):
    amount: Amount | None = None
    reason: Text | None = None
    metadata: Metadata = Field(default_factory=dict)


class RefundBody(BaseModel):
    id: str
    object: Literal["refund"]
    payment_id: str
    amount: int
    currency: str
    reason: str | None
    status: RefundStatus
    error: ErrorDetail | None
    metadata: dict[str, str]
    livemode: bool
    version: int
    created_at: datetime
    updated_at: datetime


class RefundPage(BaseModel):
    object: Literal["list"]
    data: list[RefundBody]
    has_more: bool
    next_cursor: str | None

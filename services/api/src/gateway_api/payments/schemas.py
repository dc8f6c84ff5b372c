"""The bodies of payment requests and answers."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from gateway_api.fields import Amount, Currency, Metadata, Reference, RequestBody, Text, Vpa
from gateway_common.payments.model import CaptureMethod, CaptureStatus, PaymentStatus


class CreatePayment(RequestBody):
    amount: Amount
    currency: Currency
    method: Literal["upi"]
    vpa: Vpa
    order_id: Reference | None = None
    capture_method: CaptureMethod = CaptureMethod.MANUAL
    description: Text | None = None
    metadata: Metadata = Field(default_factory=dict)


class CapturePayment(RequestBody):
    amount: Amount | None = None


class ErrorDetail(BaseModel):
    code: str
    message: str


class Upi(BaseModel):
    flow: Literal["collect"]


class PaymentBody(BaseModel):
    id: str
    object: Literal["payment"]
    order_id: str | None
    amount: int
    currency: str
    method: str
    vpa: str | None
    upi: Upi
    status: PaymentStatus
    capture_method: CaptureMethod
    capture_status: CaptureStatus | None
    captured: bool
    amount_captured: int
    amount_refunded: int
    error: ErrorDetail | None
    next_action: dict[str, Any] | None
    needs_attention: bool
    description: str | None
    metadata: dict[str, str]
    livemode: bool
    version: int
    created_at: datetime
    updated_at: datetime


class PaymentPage(BaseModel):
    object: Literal["list"]
    data: list[PaymentBody]
    has_more: bool
    next_cursor: str | None

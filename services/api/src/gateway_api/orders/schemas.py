"""The bodies of order requests and answers."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from gateway_api.fields import Amount, Currency, Metadata, Reference, RequestBody, Text, starting_after
from gateway_common.ids import ORDER
from gateway_common.orders.model import OrderStatus

AfterOrder = Annotated[str | None, starting_after(ORDER)]


class CreateOrder(RequestBody):
    amount: Amount
    currency: Currency
    reference: Reference | None = None
    """The merchant's own name for it, once per mode. Whatever takes an order's id takes it too."""
    description: Text | None = None
    metadata: Metadata = Field(default_factory=dict)


class OrderBody(BaseModel):
    id: str
    object: Literal["order"]
    reference: str | None
    amount: int
    currency: str
    status: OrderStatus
    payment_id: str | None
    attempts: int
    description: str | None
    metadata: dict[str, str]
    livemode: bool
    version: int
    created_at: datetime
    updated_at: datetime


class OrderPage(BaseModel):
    object: Literal["list"]
    data: list[OrderBody]
    has_more: bool
    next_cursor: str | None

"""The bodies of checkout requests and answers: nothing of the merchant's that the customer need not see."""

from typing import Literal

from pydantic import BaseModel

from gateway_api.fields import Reference, RequestBody, Vpa
from gateway_api.payments.schemas import ErrorDetail
from gateway_common.orders.model import OrderStatus
from gateway_common.payments.model import PaymentStatus


class CreateCheckoutPayment(RequestBody):
    order_id: Reference
    method: Literal["upi"]
    vpa: Vpa


class CheckoutOrderBody(BaseModel):
    order_id: str
    amount: int
    currency: str
    status: OrderStatus
    merchant_name: str
    livemode: bool


class CheckoutPaymentBody(BaseModel):
    id: str
    order_id: str | None
    amount: int
    currency: str
    method: str
    status: PaymentStatus
    error: ErrorDetail | None


class CreatedCheckoutPaymentBody(BaseModel):
    payment: CheckoutPaymentBody
    client_token: str

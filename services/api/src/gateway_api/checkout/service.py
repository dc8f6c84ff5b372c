"""Paying from a browser: amounts come from here, never from the page, and a payment is seen only by who made it."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import orjson

from gateway_api.answers import Answer, answer
from gateway_api.auth import Caller
from gateway_api.checkout.schemas import CreateCheckoutPayment
from gateway_api.idempotency import Attempt
from gateway_api.payments.schemas import CreateUpiCollectPayment
from gateway_api.payments.service import PaymentService
from gateway_common.clock import Clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.errors import NotFoundError, UnauthenticatedError
from gateway_common.orders.model import OrderStatus
from gateway_common.orders.store import find_order
from gateway_common.payments.model import payment_snapshot

TEST_ORDER_AMOUNT_MINOR: Final = 50_000
TEST_ORDER_CURRENCY: Final = "INR"
TOKEN_LIFETIME: Final = timedelta(minutes=30)
_SHOWN: Final = ("id", "order_id", "amount", "currency", "method", "status", "error")


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """What a customer is asked to pay."""

    order_id: str
    amount_minor: int
    currency: str
    status: OrderStatus


class CheckoutService:
    def __init__(self, database: Database, payments: PaymentService, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._payments = payments
        self._keyring = keyring
        self._clock = clock

    async def get_order(self, caller: Caller, order_id: str) -> CheckoutOrder:
        """The merchant's order by id or reference; NotFoundError. In test mode any other is one of 500.00 INR."""
        async with self._database.statement() as connection:
            order = await find_order(connection, order_id, merchant_id=caller.merchant_id, livemode=caller.livemode)
        if order is not None:
            return CheckoutOrder(order_id, order.amount_minor, order.currency, order.status)
        if caller.livemode:
            raise NotFoundError("There is no such order.")
        return CheckoutOrder(order_id, TEST_ORDER_AMOUNT_MINOR, TEST_ORDER_CURRENCY, OrderStatus.CREATED)

    async def create_payment(
        self, caller: Caller, wanted: CreateCheckoutPayment, attempt: Attempt | None, traceparent: str
    ) -> Answer:
        """Create the payment, and a token by which this browser, and no other, may follow it.

        A page that did not hear the answer sends the same Idempotency-Key, and gets the same payment and a new token.
        """
        order = await self.get_order(caller, wanted.order_id)
        body = CreateUpiCollectPayment(
            amount=order.amount_minor,
            currency=order.currency,
            method=wanted.method,
            vpa=wanted.vpa,
            order_id=order.order_id,
        )
        given = await self._payments.create(caller, body, attempt, traceparent)
        created = orjson.loads(given.body)
        expires = int((self._clock() + TOKEN_LIFETIME).timestamp())
        token = self._keyring.sign_token(f"checkout {created['id']} {expires}")
        content = {"payment": _shown(created), "client_token": token}
        return replace(answer(given.status, content), replayed=given.replayed)

    async def get_payment(self, caller: Caller, payment_id: str, token: str | None) -> dict[str, Any]:
        """The payment as its customer sees it; UnauthenticatedError without its own token."""
        purpose, _, rest = (self._keyring.parse_token(token or "") or "").partition(" ")
        token_payment_id, _, expires = rest.partition(" ")
        if purpose != "checkout" or token_payment_id != payment_id:
            raise UnauthenticatedError("The X-Client-Token header does not fit this payment.")
        if int(expires) < self._clock().timestamp():
            raise UnauthenticatedError("The client token has expired.")
        return _shown(payment_snapshot(await self._payments.get(caller, payment_id)))


def _shown(payment: dict[str, Any]) -> dict[str, Any]:
    return {name: payment[name] for name in _SHOWN}

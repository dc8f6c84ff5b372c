"""An order's states and rules, without I/O: one payment under way at a time, and paid once."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from gateway_common.clock import format_time
from gateway_common.errors import OrderStateError, UnprocessableError
from gateway_common.money import format_amount


class OrderStatus(StrEnum):
    CREATED = "created"
    """Nobody has tried to pay it yet."""
    ATTEMPTED = "attempted"
    PAID = "paid"
    """A payment of it is a success. Takes no other, unless that one is voided or its authorization expires."""


TRANSITIONS: Final[dict[OrderStatus, frozenset[OrderStatus]]] = {
    OrderStatus.CREATED: frozenset({OrderStatus.ATTEMPTED}),
    OrderStatus.ATTEMPTED: frozenset({OrderStatus.ATTEMPTED, OrderStatus.PAID}),
    OrderStatus.PAID: frozenset({OrderStatus.ATTEMPTED}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be paid. `payment_id` is the payment that is under way or that paid it; `version` counts changes."""

    id: str
    merchant_id: str
    livemode: bool
    reference: str | None
    amount_minor: int
    currency: str
    description: str | None
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    status: OrderStatus = OrderStatus.CREATED
    payment_id: str | None = None
    attempts: int = 0
    version: int = 1


def attempt_order(order: Order, payment_id: str, now: datetime) -> Order:
    """The order with a new payment under way. OrderStateError if it is paid or has one already."""
    check_payable(order)
    return _move(order, OrderStatus.ATTEMPTED, now, payment_id=payment_id, attempts=order.attempts + 1)


def is_free(order: Order) -> bool:
    """Whether the order takes a payment now."""
    return order.status is not OrderStatus.PAID and order.payment_id is None


def check_payable(order: Order) -> None:
    """OrderStateError if the order takes no payment now."""
    if order.status is OrderStatus.PAID:
        raise OrderStateError(f"The order is paid, by {order.payment_id}.", param="order_id")
    if order.payment_id is not None:
        raise OrderStateError(
            f"The order is {order.status} and has a payment under way ({order.payment_id}).", param="order_id"
        )


def check_match(order: Order, *, amount_minor: int, currency: str) -> None:
    """UnprocessableError if a payment of this amount is not the payment of this order."""
    if (amount_minor, currency) != (order.amount_minor, order.currency):
        wanted = format_amount(order.amount_minor, order.currency)
        raise UnprocessableError(
            f"The order is for {wanted}: a payment of it must have its amount and currency.",
            param="currency" if currency != order.currency else "amount",
        )


def pay_order(order: Order, payment_id: str, now: datetime) -> Order:
    """The order after its payment under way succeeded."""
    if order.payment_id != payment_id:
        raise OrderStateError(f"{payment_id} is not the payment of the order that is under way.")
    return _move(order, OrderStatus.PAID, now)


def pay_order_late(order: Order, payment_id: str, now: datetime) -> Order:
    """The order after a payment of it succeeded that had ended before. OrderStateError if it is no longer free."""
    check_payable(order)
    return _move(order, OrderStatus.PAID, now, payment_id=payment_id)


def release_order(order: Order, payment_id: str, now: datetime) -> Order | None:
    """The order after its payment ended without paying it, or was voided: it may be paid anew. None if not its own."""
    if order.payment_id != payment_id:
        return None
    return _move(order, OrderStatus.ATTEMPTED, now, payment_id=None)


def _move(order: Order, status: OrderStatus, now: datetime, **changes: Any) -> Order:
    if status not in TRANSITIONS[order.status]:
        raise OrderStateError(f"An order that is {order.status} can't become {status}.")
    return replace(order, status=status, version=order.version + 1, updated_at=now, **changes)


def order_snapshot(order: Order) -> dict[str, Any]:
    """The order as the API and the webhooks show it."""
    return {
        "id": order.id,
        "object": "order",
        "reference": order.reference,
        "amount": order.amount_minor,
        "currency": order.currency,
        "status": order.status,
        "payment_id": order.payment_id,
        "attempts": order.attempts,
        "description": order.description,
        "metadata": order.metadata,
        "livemode": order.livemode,
        "version": order.version,
        "created_at": format_time(order.created_at),
        "updated_at": format_time(order.updated_at),
    }

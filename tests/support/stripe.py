"""Requests to Stripe and an adapter to send them with, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from tests.support.localstripe import SECRET_KEY

from gateway_common.clock import Clock, system_clock
from gateway_common.payments.cards import Card
from gateway_common.payments.model import Operation, PaymentMethod
from gateway_processor.providers.base import ProviderRequest
from gateway_processor.providers.stripe.adapter import Stripe
from gateway_processor.providers.stripe.client import StripeClient

_numbers = count(1)


@asynccontextmanager
async def stripe_at(url: str, *, clock: Clock = system_clock) -> AsyncIterator[Stripe]:
    """The adapter as the processor builds it, with a key for test mode only."""
    client = StripeClient(url, {False: SECRET_KEY}, concurrency=10)
    yield Stripe(client, clock)
    await client.close()


def new_card(number: str = "4242424242424242") -> Card:
    return Card(number=number, exp_month=12, exp_year=2040, cvc="737", name=None)


def new_request(operation: Operation = Operation.AUTHORIZE, **changes: Any) -> ProviderRequest:
    """A request about a payment of its own; anything but an authorization has a reference."""
    payment_id = f"pay_{next(_numbers)}"
    is_first = operation is Operation.AUTHORIZE
    values: dict[str, Any] = {
        "key": f"{payment_id}:{operation}",
        "operation": operation,
        "payment_id": payment_id,
        "amount_minor": 50_000,
        "currency": "INR",
        "livemode": False,
        "method": PaymentMethod.CARD,
        "decided_at": system_clock(),
        "timeout_seconds": 10.0,
        "card": new_card() if is_first else None,
        "reference": None if is_first else "pi_1",
    }
    return ProviderRequest(**values | changes)

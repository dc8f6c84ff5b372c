"""Payments, refunds and orders as values for tests of rules: ordinary ones, changed by keyword where a test cares."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from gateway_common.orders.model import Order
from gateway_common.payments.model import CaptureMethod, Payment
from gateway_common.refunds.model import Refund

NOW: Final = datetime(2026, 11, 23, 14, 5, 6, 789_000, tzinfo=UTC)

_PAYMENT: Final = Payment(
    id="pay_0example",
    merchant_id="mer_test",
    livemode=False,
    order_id="ord_test_001",
    amount_minor=50_000,
    currency="INR",
    method="upi",
    vpa="test@upi",
    method_details={"flow": "collect"},
    description=None,
    metadata={},
    capture_method=CaptureMethod.MANUAL,
    created_at=NOW,
    updated_at=NOW,
)
_REFUND: Final = Refund(
    id="rfnd_0example",
    payment_id=_PAYMENT.id,
    merchant_id=_PAYMENT.merchant_id,
    livemode=False,
    amount_minor=1_000,
    currency="INR",
    reason="Customer requested",
    metadata={},
    created_at=NOW,
    updated_at=NOW,
)
_ORDER: Final = Order(
    id="ord_0example",
    merchant_id=_PAYMENT.merchant_id,
    livemode=False,
    reference=None,
    amount_minor=50_000,
    currency="INR",
    description=None,
    metadata={},
    created_at=NOW,
    updated_at=NOW,
)


def example_payment(**changes: Any) -> Payment:
    """A payment of 500.00 INR by UPI, just created."""
    return replace(_PAYMENT, **changes)


def example_refund(**changes: Any) -> Refund:
    """A refund of 10.00 INR of the example payment, just created."""
    return replace(_REFUND, **changes)


def example_order(**changes: Any) -> Order:
    """An order of 500.00 INR that nobody has tried to pay yet."""
    return replace(_ORDER, **changes)

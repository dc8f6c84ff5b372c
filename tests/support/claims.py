"""Claims as values, for tests of what follows from a provider's answer."""

from gateway_common.payments.model import Operation, Payment
from gateway_common.refunds.model import Refund
from gateway_processor.claims import Claimed


def claimed_for(payment: Payment, operation: Operation, refund: Refund | None = None) -> Claimed:
    """The claim under which a provider was asked."""
    return Claimed(payment=payment, operation=operation, at=payment.updated_at, refund=refund)

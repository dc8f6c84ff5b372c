"""Asks the provider for what was claimed, with no transaction open. Who takes over a job asks what became of it."""

import asyncio
import time
from datetime import datetime

from gateway_common.logs import get_logger
from gateway_common.payments.model import Operation, Payment, ProviderAnswer, provider_key
from gateway_common.telemetry import provider_seconds
from gateway_processor.claims import Claimed
from gateway_processor.providers.base import (
    Approved,
    Declined,
    Expired,
    Missing,
    Outcome,
    Pending,
    Provider,
    ProviderRequest,
    Unknown,
    Unreachable,
)
from gateway_processor.providers.registry import Providers

_CARD_UNREADABLE = Declined("card_unreadable", "The card could not be read any more. Nothing was charged.")


class Calls:
    """Every call ends by its deadline, and none raises: whatever broke, the provider may have done it."""

    def __init__(self, providers: Providers, *, timeout_seconds: float) -> None:
        self._providers = providers
        self._timeout_seconds = timeout_seconds
        self._log = get_logger()

    async def ask(self, claimed: Claimed) -> Outcome:
        """The provider's outcome; unknown if there was no answer in time."""
        started = time.monotonic()
        outcome = await self._ask_in_time(claimed)
        name = type(outcome).__name__.lower()
        provider_seconds(claimed.provider, claimed.operation, name).observe(time.monotonic() - started)
        return outcome

    async def _ask_in_time(self, claimed: Claimed) -> Outcome:
        provider = self._providers.get(claimed.provider)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await _ask(provider, claimed, request_of(claimed, timeout_seconds=self._timeout_seconds))
        except TimeoutError:
            return Unknown(f"no answer within {self._timeout_seconds:g} s")
        except Exception as error:  # noqa: BLE001 -- whatever broke, the provider may have done it: unknown is not failed.
            self._log.warning("provider.broken", payment_id=claimed.payment.id, error=repr(error))
            return Unknown(type(error).__name__)


async def _ask(provider: Provider, claimed: Claimed, request: ProviderRequest) -> Outcome:
    if not claimed.is_first_try:
        found = await provider.status(request)
        if not isinstance(found, Missing):
            return found
        if claimed.operation is Operation.INQUIRE:
            return Declined("unknown_payment", "The provider does not know the payment.")
    if claimed.operation is Operation.AUTHORIZE and claimed.lacks_card:
        return _CARD_UNREADABLE
    calls = {
        Operation.AUTHORIZE: provider.authorize,
        Operation.CAPTURE: provider.capture,
        Operation.VOID: provider.void,
        Operation.REFUND: provider.refund,
    }
    return await calls[claimed.operation](request)


def request_of(claimed: Claimed, *, timeout_seconds: float) -> ProviderRequest:
    """What the provider is told of the claimed operation."""
    payment, refund = claimed.payment, claimed.refund
    key, amount_minor = provider_key(payment, claimed.operation), payment.amount_minor
    # The first claim changes the payment, and those after it do not. What is changed later was asked for some time.
    decided_at = payment.created_at if payment.needs_attention else payment.updated_at
    if refund is not None:
        key, amount_minor, decided_at = refund.id, refund.amount_minor, refund.created_at
    elif claimed.operation is Operation.CAPTURE:
        amount_minor = payment.amount_captured_minor
    return ProviderRequest(
        key=key,
        operation=Operation.AUTHORIZE if claimed.operation is Operation.INQUIRE else claimed.operation,
        payment_id=payment.id,
        amount_minor=amount_minor,
        currency=payment.currency,
        livemode=payment.livemode,
        method=payment.method,
        decided_at=decided_at,
        timeout_seconds=timeout_seconds,
        vpa=payment.vpa,
        method_details=payment.method_details,
        card=claimed.card,
        reference=payment.provider_reference,
        metadata=payment.metadata,
    )


def answer_of(claimed: Claimed, payment: Payment, outcome: Outcome, now: datetime) -> ProviderAnswer:
    """The outcome as the timeline tells it."""
    code, message = None, None
    match outcome:
        case Declined():
            code, message = outcome.code, outcome.message
        case Unknown() | Unreachable():
            message = outcome.reason
        case Approved() | Expired() | Pending():
            pass
    return ProviderAnswer(
        payment_id=payment.id,
        attempt=payment.attempt,
        refund_id=claimed.refund.id if claimed.refund else None,
        provider=claimed.provider,
        operation=claimed.operation,
        outcome=type(outcome).__name__.lower(),
        code=code,
        message=message,
        reference=None if isinstance(outcome, Unreachable) else outcome.reference,
        asked_at=claimed.at,
        answered_at=now,
    )

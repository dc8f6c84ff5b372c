"""The requests of one call of the port: they share its deadline and its mode, and each refusal is logged."""

import time
from typing import Final

from gateway_common.logs import get_logger
from gateway_common.providers.model import STRIPE
from gateway_processor.providers.base import ProviderRequest, Unknown, Unreachable
from gateway_processor.providers.stripe.answers import error_of
from gateway_processor.providers.stripe.client import StripeClient
from gateway_processor.providers.stripe.messages import Answer, Call

DEADLINE_SHARE: Final = 0.9
"""Of the caller's time, so that its deadline does not cut us off before we can say what we know."""
_CARD_ERROR: Final = 402

Silence = Unknown | Unreachable


class Conversation:
    def __init__(self, client: StripeClient, request: ProviderRequest) -> None:
        self._client = client
        self._request = request
        self._ends_at = time.monotonic() + request.timeout_seconds * DEADLINE_SHARE
        self._log = get_logger()

    async def send(self, call: Call) -> Answer | Silence:
        left_seconds = self._ends_at - time.monotonic()
        if left_seconds <= 0:
            # Of this request; those before it may have done something, and they say so.
            return Unknown("no time was left to ask Stripe")
        answer = await self._client.send(call, livemode=self._request.livemode, timeout_seconds=left_seconds)
        if isinstance(answer, Answer) and not answer.is_success:
            self._tell(answer)
        return answer

    def _tell(self, answer: Answer) -> None:
        """Log a refusal by Stripe's codes. Its sentence is left out, for it may repeat what was sent."""
        error = error_of(answer)
        say = self._log.info if answer.status == _CARD_ERROR else self._log.error
        say(
            "stripe.refused",
            provider=STRIPE,
            payment_id=self._request.payment_id,
            operation=self._request.operation,
            status=answer.status,
            stripe_request_id=answer.request_id,
            **{name: error.get(name) for name in ("type", "code", "decline_code", "param")},
        )

"""Stripe behind the port.

An authorization is two requests. The first makes a PaymentIntent, which moves no money and gives the payment the name
by which everything later is asked about; the second confirms it with the card, and can succeed once only.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from gateway_common.clock import Clock
from gateway_common.payments.model import Operation
from gateway_common.providers.model import STRIPE
from gateway_processor.providers.base import Declined, Missing, Outcome, ProviderRequest, Unknown, Unreachable
from gateway_processor.providers.stripe import answers
from gateway_processor.providers.stripe.amounts import stripe_amount
from gateway_processor.providers.stripe.client import StripeClient
from gateway_processor.providers.stripe.conversation import Conversation, Silence
from gateway_processor.providers.stripe.declines import decline_of, declined
from gateway_processor.providers.stripe.forms import confirmation_form, intent_form, refund_form
from gateway_processor.providers.stripe.messages import Answer, Call

KEYS_LAST: Final = timedelta(hours=23)
"""Stripe may forget an Idempotency-Key after 24 hours; then the same request would make a second intent."""
REFUND_PAGES_MOST: Final = 10
_INTENTS: Final = "/v1/payment_intents"
_NAMELESS: Final = Unknown("Stripe's name for the payment is not known", is_down=False)


class Stripe:
    name = STRIPE

    def __init__(self, client: StripeClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def authorize(self, request: ProviderRequest) -> Outcome:
        if request.card is None:
            return declined("provider_refused")
        talk = Conversation(self._client, request)
        intent = request.reference or await self._make_intent(talk, request)
        if not isinstance(intent, str):
            return intent
        call = Call(
            method="POST",
            path=f"{_INTENTS}/{intent}/confirm",
            form=confirmation_form(request.card),
            key=f"{request.key}:confirm",
        )
        return await self._do(talk, request, call, intent)

    async def capture(self, request: ProviderRequest) -> Outcome:
        amount = stripe_amount(request.amount_minor, request.currency)
        if amount is None:
            return declined("amount_not_supported", request.reference)
        return await self._do_to_intent(request, "capture", {"amount_to_capture": str(amount)})

    async def void(self, request: ProviderRequest) -> Outcome:
        return await self._do_to_intent(request, "cancel", {})

    async def refund(self, request: ProviderRequest) -> Outcome:
        amount = stripe_amount(request.amount_minor, request.currency)
        if amount is None:
            return declined("amount_not_supported", request.reference)
        if request.reference is None:
            return _NAMELESS
        form = refund_form(request, amount, request.reference)
        call = Call(method="POST", path="/v1/refunds", form=form, key=request.key)
        return await self._do(Conversation(self._client, request), request, call, request.reference)

    async def status(self, request: ProviderRequest) -> Outcome | Missing:
        talk = Conversation(self._client, request)
        intent = request.reference or await self._find_intent(talk, request)
        return await self._look(talk, request, intent) if isinstance(intent, str) else intent

    async def _do_to_intent(self, request: ProviderRequest, action: str, form: Mapping[str, str]) -> Outcome:
        if request.reference is None:
            return _NAMELESS
        call = Call(method="POST", path=f"{_INTENTS}/{request.reference}/{action}", form=form, key=request.key)
        return await self._do(Conversation(self._client, request), request, call, request.reference)

    async def _do(self, talk: Conversation, request: ProviderRequest, call: Call, reference: str) -> Outcome:
        """Send what may move money."""
        answer = await talk.send(call)
        if not isinstance(answer, Answer):
            return _referred(answer, reference)
        if answer.is_success:
            outcome = _outcome_of(request, answer.body, reference)
            if isinstance(outcome, Missing):
                return Unknown("Stripe says it did what it did not", reference, is_down=False)
            return outcome
        if not answers.is_refused(answer):
            return answers.failure_of(answer, reference)
        return await self._explain(talk, request, answer, reference)

    async def _explain(self, talk: Conversation, request: ProviderRequest, refusal: Answer, reference: str) -> Outcome:
        """It may be refused because it was done before: what is true now decides, not the error."""
        match await self._look(talk, request, reference):
            case Missing() if answers.is_key_reused(refusal):
                return Unknown("Stripe knows the key from another request", reference, is_down=False)
            case Missing():
                return decline_of(answers.error_of(refusal), "provider_refused", reference)
            case Unreachable(reason):
                return Unknown(reason, reference)
            case outcome:
                return outcome

    async def _make_intent(self, talk: Conversation, request: ProviderRequest) -> str | Declined | Silence:
        """The name of the payment's intent: a new one, unless this key came before."""
        amount = stripe_amount(request.amount_minor, request.currency)
        if amount is None:
            return declined("amount_not_supported")
        form = intent_form(request, amount)
        answer = await talk.send(Call(method="POST", path=_INTENTS, form=form, key=f"{request.key}:create"))
        if not isinstance(answer, Answer):
            return answer
        name = answer.body.get("id")
        if answer.is_success and isinstance(name, str):
            return name
        if answers.is_refused(answer) and not answers.is_key_reused(answer):
            return decline_of(answers.error_of(answer), "provider_refused")
        return _silence_of(answer, None)

    async def _find_intent(self, talk: Conversation, request: ProviderRequest) -> str | Declined | Silence:
        """The name of an intent of which only the key is known: making it again finds it, and moves no money."""
        if request.operation is not Operation.AUTHORIZE:
            return _NAMELESS
        if self._clock() - request.decided_at > KEYS_LAST:
            return Unknown("Stripe may have forgotten the key, and what it answered is not known", is_down=False)
        return await self._make_intent(talk, request)

    async def _look(self, talk: Conversation, request: ProviderRequest, reference: str) -> Outcome | Missing:
        """What is true at Stripe now."""
        if request.operation is Operation.REFUND:
            return await self._look_for_refund(talk, request, reference)
        answer = await talk.send(Call(method="GET", path=f"{_INTENTS}/{reference}"))
        if isinstance(answer, Answer) and answer.is_success:
            return _outcome_of(request, answer.body, reference)
        return _silence_of(answer, reference)

    async def _look_for_refund(self, talk: Conversation, request: ProviderRequest, reference: str) -> Outcome | Missing:
        form = {"payment_intent": reference, "limit": "100"}
        for _ in range(REFUND_PAGES_MOST):
            answer = await talk.send(Call(method="GET", path="/v1/refunds", form=form))
            refunds = answer.body.get("data") if isinstance(answer, Answer) and answer.is_success else None
            if not isinstance(refunds, list):
                return _silence_of(answer, reference)
            for refund in refunds:
                if (refund.get("metadata") or {}).get("refund_id") == request.key:
                    return answers.refund_of(refund, reference)
            if not isinstance(answer, Answer) or not answer.body.get("has_more"):
                return Missing()
            form = form | {"starting_after": refunds[-1]["id"]}
        return Unknown("the payment has more refunds at Stripe than are looked through", reference, is_down=False)


def _outcome_of(request: ProviderRequest, body: Mapping[str, Any], reference: str) -> Outcome | Missing:
    """What Stripe's object says about the request, be it the answer to it or what is found later."""
    match request.operation:
        case Operation.CAPTURE:
            return answers.capture_of(body, reference, stripe_amount(request.amount_minor, request.currency) or 0)
        case Operation.VOID:
            return answers.void_of(body, reference)
        case Operation.REFUND:
            return answers.refund_of(body, reference)
        case _:
            return answers.authorization_of(body, reference)


def _silence_of(answer: Answer | Silence, reference: str | None) -> Silence:
    """Nothing could be seen. What Stripe does not find is not missing: another account's key finds nothing either."""
    failure = answers.failure_of(answer, reference) if isinstance(answer, Answer) else _referred(answer, reference)
    if isinstance(failure, Declined):
        return Unknown("Stripe declined to be asked", reference, is_down=False)
    return failure


def _referred(silence: Silence, reference: str | None) -> Silence:
    return replace(silence, reference=reference) if isinstance(silence, Unknown) else silence

"""What Stripe's answers mean for us, without I/O: a PaymentIntent's status, a refund's, and each kind of error."""

from collections.abc import Mapping
from typing import Any, Final

from gateway_processor.providers.base import Approved, Declined, Missing, Pending, Unknown, Unreachable
from gateway_processor.providers.stripe.declines import decline_of, declined
from gateway_processor.providers.stripe.messages import Answer

_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
_UNCONFIRMED: Final = frozenset({"requires_payment_method", "requires_confirmation"})

Settled = Approved | Declined | Pending | Unknown


def error_of(answer: Answer) -> Mapping[str, Any]:
    """The error in an answer; empty if it has none."""
    error = answer.body.get("error")
    return error if isinstance(error, dict) else {}


def is_refused(answer: Answer) -> bool:
    """Whether Stripe did not do what was asked, for a reason that the state of things tells better than the error:
    it was done before, or can't be done any more, or was asked for wrongly.
    """
    return answer.status in {_BAD_REQUEST, _NOT_FOUND}


def is_key_reused(answer: Answer) -> bool:
    """Whether the Idempotency-Key came before, with another request: that one counts."""
    return answer.status == _BAD_REQUEST and error_of(answer).get("type") == "idempotency_error"


def failure_of(answer: Answer, reference: str | None) -> Declined | Unknown | Unreachable:
    """What an answer means that is neither a success nor a plain refusal."""
    match answer.status:
        case 402:
            return decline_of(error_of(answer), "payment_declined", reference)
        case 401 | 403:
            return Unreachable("Stripe does not accept our key")
        case 429 if error_of(answer).get("code") != "lock_timeout":
            # Refused at the door. A lock is another matter: an earlier request of ours may hold it.
            return Unreachable("Stripe takes no more requests now")
        case status:
            return Unknown(f"Stripe answered {status}", reference)


def authorization_of(intent: Mapping[str, Any], reference: str) -> Settled | Missing:
    """What became of an authorization, by the PaymentIntent as it is now."""
    match intent.get("status"):
        case "requires_capture" | "succeeded":
            return Approved(reference)
        case "processing":
            return Pending(reference=reference)
        case "requires_action":
            # Only with the intent's client secret can it go on, and that we give to nobody.
            return declined("authentication_required", reference)
        case "canceled":
            return declined("cancelled_at_provider", reference)
        case status if status in _UNCONFIRMED:
            error = intent.get("last_payment_error")
            return decline_of(error, "payment_declined", reference) if isinstance(error, dict) else Missing()
        case status:
            return _unheard_of("PaymentIntent", status, reference)


def capture_of(intent: Mapping[str, Any], reference: str, amount: int) -> Settled | Missing:
    """What became of a capture of this amount, in Stripe's units."""
    match intent.get("status"):
        case "succeeded":
            received = intent.get("amount_received", amount)
            if received != amount:
                # Not by us. Booking either amount would be a guess: a person has to look.
                return Unknown(f"Stripe took {received} where {amount} was asked for", reference, is_down=False)
            return Approved(reference)
        case "processing":
            return Pending(reference=reference)
        case "requires_capture":
            return Missing()
        case "canceled":
            return declined("authorization_expired", reference)
        case status:
            return _unheard_of("PaymentIntent", status, reference)


def void_of(intent: Mapping[str, Any], reference: str) -> Settled | Missing:
    """What became of giving an authorization back."""
    match intent.get("status"):
        case "canceled":
            return Approved(reference)
        case "succeeded":
            return declined("already_captured", reference)
        case "processing":
            return Pending(reference=reference)
        case "requires_capture" | "requires_action":
            return Missing()
        case status if status in _UNCONFIRMED:
            return Missing()
        case status:
            return _unheard_of("PaymentIntent", status, reference)


def refund_of(refund: Mapping[str, Any], reference: str) -> Settled | Missing:
    """What became of a refund."""
    match refund.get("status"):
        case "succeeded":
            return Approved(reference)
        case "pending" | "requires_action":
            return Pending(reference=reference)
        case "failed" | "canceled":
            return declined("refund_failed", reference)
        case status:
            return _unheard_of("refund", status, reference)


def _unheard_of(what: str, status: object, reference: str) -> Unknown:
    return Unknown(f"Stripe's {what} has the status {status!r}", reference, is_down=False)

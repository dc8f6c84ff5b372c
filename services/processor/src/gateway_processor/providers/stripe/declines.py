"""Why Stripe refused, in our codes and sentences, without I/O. Stripe's own sentences may repeat what was sent."""

from collections.abc import Mapping
from typing import Any, Final

from gateway_processor.providers.base import Declined

_SENTENCES: Final = {
    "payment_declined": "The customer's bank declined the payment.",
    "insufficient_funds": "The customer's account does not hold enough money.",
    "expired_card": "The card has expired.",
    "incorrect_cvc": "The card's security code is wrong.",
    "incorrect_number": "The card's number is wrong.",
    "incorrect_expiry": "The card's expiry date is wrong.",
    "card_not_supported": "The card can't be used for this payment.",
    "authentication_required": "The customer's bank wants the customer to confirm, which is not possible here.",
    "processing_error": "The card could not be processed.",
    "authorization_expired": "The authorization ended before the money was taken.",
    "cancelled_at_provider": "The payment was cancelled at the provider.",
    "already_captured": "The money was taken already.",
    "amount_not_supported": "The provider does not take this amount.",
    "currency_not_supported": "The provider does not take this currency.",
    "refund_failed": "The customer's bank did not take the refund.",
    "provider_refused": "The provider refused the request.",
}
# https://docs.stripe.com/declines/codes and https://docs.stripe.com/error-codes. A card reported lost or stolen is
# plainly declined: who holds it is not to learn that it is known.
_OURS: Final = {
    "insufficient_funds": "insufficient_funds",
    "expired_card": "expired_card",
    "incorrect_cvc": "incorrect_cvc",
    "invalid_cvc": "incorrect_cvc",
    "incorrect_number": "incorrect_number",
    "invalid_number": "incorrect_number",
    "invalid_account": "incorrect_number",
    "invalid_expiry_month": "incorrect_expiry",
    "invalid_expiry_year": "incorrect_expiry",
    "card_not_supported": "card_not_supported",
    "authentication_required": "authentication_required",
    "authentication_not_handled": "authentication_required",
    "payment_intent_authentication_failure": "authentication_required",
    "processing_error": "processing_error",
    "issuer_not_available": "processing_error",
    "reenter_transaction": "processing_error",
    "try_again_later": "processing_error",
    "capture_charge_authorization_expired": "authorization_expired",
    "charge_expired_for_capture": "authorization_expired",
    "amount_too_large": "amount_not_supported",
    "amount_too_small": "amount_not_supported",
    "invalid_charge_amount": "amount_not_supported",
    "currency_not_supported": "currency_not_supported",
}


def declined(code: str, reference: str | None = None) -> Declined:
    """A refusal with one of our codes."""
    return Declined(code, _SENTENCES[code], reference)


def decline_of(error: Mapping[str, Any], otherwise: str, reference: str | None = None) -> Declined:
    """The refusal that an error of Stripe's means: the bank's reason before Stripe's, `otherwise` if neither is known.

    Both may be missing, and new ones come without notice.
    """
    codes = (error.get("decline_code"), error.get("code"))
    known = (_OURS[code] for code in codes if isinstance(code, str) and code in _OURS)
    return declined(next(known, otherwise), reference)

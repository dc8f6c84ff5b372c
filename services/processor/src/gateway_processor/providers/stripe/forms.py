"""What Stripe is sent, without I/O: form fields, nested by brackets (https://docs.stripe.com/api)."""

from gateway_common.payments.cards import Card
from gateway_processor.providers.base import ProviderRequest


def intent_form(request: ProviderRequest, amount: int) -> dict[str, str]:
    """A PaymentIntent that moves no money until it is confirmed, and then only holds it.

    It follows from the payment alone, for it is sent again to find the intent by its Idempotency-Key.
    """
    return {
        "amount": str(amount),
        "currency": request.currency.lower(),
        "capture_method": "manual",
        "payment_method_types[]": "card",
        "metadata[payment_id]": request.payment_id,
    }


def confirmation_form(card: Card) -> dict[str, str]:
    """The card, and that a bank which wants its customer's confirmation declines instead: there is no page for it."""
    prefix = "payment_method_data[card]"
    form = {
        "payment_method_data[type]": "card",
        f"{prefix}[number]": card.number,
        f"{prefix}[exp_month]": str(card.exp_month),
        f"{prefix}[exp_year]": str(card.exp_year),
        f"{prefix}[cvc]": card.cvc,
        "error_on_requires_action": "true",
    }
    return form | ({"payment_method_data[billing_details][name]": card.name} if card.name else {})


def refund_form(request: ProviderRequest, amount: int, reference: str) -> dict[str, str]:
    """A refund that is found again by our id in its metadata, and whose callbacks name the payment."""
    return {
        "payment_intent": reference,
        "amount": str(amount),
        "metadata[refund_id]": request.key,
        "metadata[payment_id]": request.payment_id,
    }

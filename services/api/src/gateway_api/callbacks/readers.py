"""Whose callbacks this process takes in: those of the providers whose secrets it was given."""

from gateway_api.settings import ApiSettings
from gateway_common.callbacks.model import CallbackReader
from gateway_common.callbacks.stripe import StripeCallbacks
from gateway_common.providers.model import STRIPE


def build_readers(settings: ApiSettings) -> dict[str, CallbackReader]:
    """The readers by the name of their provider."""
    secrets = settings.stripe_webhook_secrets
    return {STRIPE: StripeCallbacks([secret.get_secret_value() for secret in secrets])} if secrets else {}

"""The real providers that this process has credentials for, each behind a breaker."""

from gateway_common.clock import Clock
from gateway_common.providers.model import STRIPE
from gateway_processor.providers.base import Provider
from gateway_processor.providers.breaker import Breaker
from gateway_processor.providers.stripe.adapter import Stripe
from gateway_processor.providers.stripe.client import StripeClient
from gateway_processor.settings import ProcessorSettings


class RealProviders:
    """Providers outside this installation, and the connections to them."""

    def __init__(self, settings: ProcessorSettings, clock: Clock) -> None:
        self.by_name: dict[str, Provider] = {}
        self._clients: list[StripeClient] = []
        if settings.stripe_secret_keys:
            client = StripeClient(
                settings.stripe_api_base, settings.stripe_secret_keys, concurrency=settings.concurrency
            )
            self._clients.append(client)
            self.by_name[STRIPE] = Breaker(Stripe(client, clock))

    async def shutdown(self) -> None:
        for client in self._clients:
            await client.close()

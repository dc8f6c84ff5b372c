"""The providers that this process is set up for. A real one is there only with credentials, and behind a breaker."""

from gateway_common.clock import Clock
from gateway_common.db.database import Database
from gateway_common.providers.model import SIMULATOR, STRIPE
from gateway_processor.providers.base import Provider
from gateway_processor.providers.breaker import Breaker
from gateway_processor.providers.simulator import Simulator
from gateway_processor.providers.stripe.adapter import Stripe
from gateway_processor.providers.stripe.client import StripeClient
from gateway_processor.settings import ProcessorSettings


class ConfiguredProviders:
    """Providers by name, and what has to be closed behind them."""

    def __init__(self, settings: ProcessorSettings, database: Database, clock: Clock) -> None:
        simulator = Simulator(database, settings.simulator_plan, public_url=settings.api_public_url)
        # The simulator is our own database: when that is down, nothing else works either.
        self.by_name: dict[str, Provider] = {SIMULATOR: simulator}
        self._stripe: StripeClient | None = None
        if settings.stripe_secret_keys:
            self._stripe = StripeClient(
                settings.stripe_api_base, settings.stripe_secret_keys, concurrency=settings.concurrency
            )
            self.by_name[STRIPE] = Breaker(Stripe(self._stripe, clock))

    async def shutdown(self) -> None:
        if self._stripe is not None:
            await self._stripe.close()

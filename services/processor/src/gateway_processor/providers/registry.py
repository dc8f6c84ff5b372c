"""The providers of this process by name, and which of them a payment goes to."""

from collections.abc import Mapping
from typing import Final

from gateway_common.logs import get_logger
from gateway_common.payments.model import Payment, PaymentMethod
from gateway_common.providers.book import RouteBook
from gateway_common.providers.model import check_served
from gateway_processor.providers.base import Missing, Outcome, Provider, ProviderRequest, Unreachable
from gateway_processor.providers.breaker import Breaker

_NOT_SET_UP: Final = Unreachable("this processor has no credentials for the provider")


class Providers:
    def __init__(self, providers: Mapping[str, Provider], routes: RouteBook) -> None:
        self._providers = providers
        self._routes = routes
        self._log = get_logger()

    def get(self, name: str) -> Provider:
        """The provider; one that can't be reached if it is not set up here."""
        provider = self._providers.get(name)
        if provider is None:
            self._log.error("provider.not_set_up", provider=name)
            return _Absent(name)
        return provider

    async def choose(self, payment: Payment) -> str:
        """Who is to be asked first: the first of the route that is up, else the first. NoProviderError without one."""
        names = await self._names(payment)
        check_served(names, livemode=payment.livemode, method=PaymentMethod(payment.method))
        return next((name for name in names if self._is_up(name, payment)), names[0])

    async def choose_after(self, payment: Payment) -> str | None:
        """Who is up and comes behind the payment's provider in its route, or None."""
        names = await self._names(payment)
        later = names[names.index(payment.provider) + 1 :] if payment.provider in names else ()
        return next((name for name in later if self._is_up(name, payment)), None)

    async def _names(self, payment: Payment) -> tuple[str, ...]:
        return await self._routes.find(
            merchant_id=payment.merchant_id, livemode=payment.livemode, method=PaymentMethod(payment.method)
        )

    def _is_up(self, name: str, payment: Payment) -> bool:
        provider = self._providers.get(name)
        is_open = isinstance(provider, Breaker) and provider.is_open(livemode=payment.livemode)
        return provider is not None and not is_open


class _Absent:
    """Stands for a provider that a route or a payment names and that is not set up."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def authorize(self, _: ProviderRequest) -> Outcome:
        return _NOT_SET_UP

    async def capture(self, _: ProviderRequest) -> Outcome:
        return _NOT_SET_UP

    async def void(self, _: ProviderRequest) -> Outcome:
        return _NOT_SET_UP

    async def refund(self, _: ProviderRequest) -> Outcome:
        return _NOT_SET_UP

    async def status(self, _: ProviderRequest) -> Outcome | Missing:
        return _NOT_SET_UP

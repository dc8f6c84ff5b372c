"""Which provider serves a merchant, a mode and a method, without I/O. The first of a route is preferred."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway_common.clock import format_time
from gateway_common.errors import NoProviderError, UnprocessableError
from gateway_common.payments.model import PaymentMethod

SIMULATOR: Final = "simulator"
STRIPE: Final = "stripe"
PROVIDERS_MOST: Final = 8
"""So many a route may name."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a provider can be asked for."""

    methods: frozenset[PaymentMethod]
    livemode: bool


PROVIDERS: Final = {
    # Never sees live money: it says yes to everything.
    SIMULATOR: Abilities(frozenset(PaymentMethod), livemode=False),
    STRIPE: Abilities(frozenset({PaymentMethod.CARD}), livemode=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Who serves what. No merchant means every merchant, no method every method: the closest route counts alone."""

    livemode: bool
    merchant_id: str | None
    method: PaymentMethod | None
    providers: tuple[str, ...]
    updated_at: datetime


RouteScope = tuple[bool, str | None, PaymentMethod | None]
"""Live mode, merchant and method: what a route is for."""


def decide_route(
    names: Iterable[str], *, livemode: bool, merchant_id: str | None, method: PaymentMethod | None, now: datetime
) -> Route:
    """A route as an operator asks for it; UnprocessableError if one of the providers can't serve it."""
    providers = tuple(dict.fromkeys(names))
    if not 1 <= len(providers) <= PROVIDERS_MOST:
        raise UnprocessableError(f"A route names 1 to {PROVIDERS_MOST} providers.", param="providers")
    for name in providers:
        if name not in PROVIDERS:
            known = ", ".join(sorted(PROVIDERS))
            raise UnprocessableError(f"There is no provider {name!r}. There are: {known}.", param="providers")
        if not _serves(name, livemode=livemode, method=method):
            what = f"{'live' if livemode else 'test'} payments" + (f" by {method}" if method else "")
            raise UnprocessableError(f"The provider {name} takes no {what}.", param="providers")
    return Route(livemode=livemode, merchant_id=merchant_id, method=method, providers=providers, updated_at=now)


def by_scope(routes: Iterable[Route]) -> dict[RouteScope, Route]:
    """Routes as `find_providers` looks them up, however many merchants have their own."""
    return {(route.livemode, route.merchant_id, route.method): route for route in routes}


def find_providers(
    routes: Mapping[RouteScope, Route], *, merchant_id: str, livemode: bool, method: PaymentMethod
) -> tuple[str, ...]:
    """Who may be asked for such a payment, in order; nobody if no route leads there.

    The merchant's own route comes before everybody's, and one for the method before one for all.
    """
    scopes = ((merchant_id, method), (merchant_id, None), (None, method), (None, None))
    for merchant, each in scopes:
        route = routes.get((livemode, merchant, each))
        if route is not None:
            return tuple(name for name in route.providers if _serves(name, livemode=livemode, method=method))
    return ()


def check_served(providers: tuple[str, ...], *, livemode: bool, method: PaymentMethod) -> None:
    """NoProviderError if there is nobody to ask for such a payment."""
    if not providers:
        mode = "live" if livemode else "test"
        raise NoProviderError(f"No payment provider takes {mode} payments by {method} here.")


def _serves(name: str, *, livemode: bool, method: PaymentMethod | None) -> bool:
    """Whether the provider can serve such payments; of all methods together, some of them."""
    abilities = PROVIDERS.get(name)
    return (
        abilities is not None
        and (abilities.livemode or not livemode)
        and (method is None or method in abilities.methods)
    )


def route_snapshot(route: Route) -> dict[str, Any]:
    """The route for a program to read."""
    return {
        "mode": "live" if route.livemode else "test",
        "merchant_id": route.merchant_id,
        "method": route.method,
        "providers": list(route.providers),
        "updated_at": format_time(route.updated_at),
    }

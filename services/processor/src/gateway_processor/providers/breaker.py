"""Keeps a provider that is technically down from being asked: calls fail at once, and routes pass it by.

Test and live mode are two circuits: a wrong test key must not take live payments away from the provider.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from gateway_common.logs import get_logger
from gateway_common.telemetry import PROVIDER_UP
from gateway_processor.providers.base import Missing, Outcome, Provider, ProviderRequest, Unknown, Unreachable

FAILURES_MOST: Final = 5
"""So many calls in a row without a usable answer, and it counts as down."""
OPEN_SECONDS: Final = 10.0
"""After this long one call is let through; its answer says whether the others may follow."""

Answer = TypeVar("Answer", bound=Outcome | Missing)


class Breaker:
    """A provider behind a breaker. No answer and an unusable answer are failures; a decline is an answer."""

    def __init__(
        self,
        provider: Provider,
        *,
        failures_most: int = FAILURES_MOST,
        open_seconds: float = OPEN_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = provider.name
        self._provider = provider
        self._circuits = {
            livemode: _Circuit(
                provider.name,
                "live" if livemode else "test",
                failures_most=failures_most,
                open_seconds=open_seconds,
                monotonic=monotonic,
            )
            for livemode in (False, True)
        }

    def is_open(self, *, livemode: bool) -> bool:
        """Whether a call of this mode now would fail at once."""
        return self._circuits[livemode].is_open

    async def authorize(self, request: ProviderRequest) -> Outcome:
        return await self._guard(self._provider.authorize, request)

    async def capture(self, request: ProviderRequest) -> Outcome:
        return await self._guard(self._provider.capture, request)

    async def void(self, request: ProviderRequest) -> Outcome:
        return await self._guard(self._provider.void, request)

    async def refund(self, request: ProviderRequest) -> Outcome:
        return await self._guard(self._provider.refund, request)

    async def status(self, request: ProviderRequest) -> Outcome | Missing:
        return await self._guard(self._provider.status, request)

    async def _guard(
        self, call: Callable[[ProviderRequest], Awaitable[Answer]], request: ProviderRequest
    ) -> Answer | Unreachable:
        circuit = self._circuits[request.livemode]
        if circuit.is_open:
            return Unreachable(f"{self.name} has not answered for a while")
        circuit.try_again_later()
        failed = True
        try:
            answer = await call(request)
            failed = answer.is_down if isinstance(answer, Unknown) else isinstance(answer, Unreachable)
        finally:
            # Also when the caller's deadline ends the call: silence is a failure.
            circuit.count(failed=failed)
        return answer


class _Circuit:
    """How a provider has answered of late in one mode."""

    def __init__(
        self,
        provider: str,
        mode: str,
        *,
        failures_most: int,
        open_seconds: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._failures_most = failures_most
        self._open_seconds = open_seconds
        self._monotonic = monotonic
        self._failures = 0
        self._open_until = 0.0
        self._up = PROVIDER_UP.labels(provider, mode)
        self._up.set(1)
        self._log = get_logger().bind(provider=provider, mode=mode)

    @property
    def is_open(self) -> bool:
        return self._failures >= self._failures_most and self._monotonic() < self._open_until

    def try_again_later(self) -> None:
        """A call goes out. If the provider was down it tries whether it is back; until it knows, the others wait."""
        if self._failures >= self._failures_most:
            self._open_until = self._monotonic() + self._open_seconds

    def count(self, *, failed: bool) -> None:
        before = self._failures
        self._failures = before + 1 if failed else 0
        if self._failures == self._failures_most:
            self._open_until = self._monotonic() + self._open_seconds
            self._up.set(0)
            self._log.error("provider.down", failures=self._failures)
        elif before >= self._failures_most and not failed:
            self._up.set(1)
            self._log.warning("provider.back")

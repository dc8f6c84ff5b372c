"""A provider that answers what a test hands it, when the test hands it, and remembers what it was asked."""

import asyncio
from typing import cast

from gateway_processor.providers.base import Missing, Outcome, ProviderRequest


class ScriptedProvider:
    """Conforms to the provider port. A call waits until there is an answer for it."""

    name = "scripted"

    def __init__(self, *answers: Outcome | Missing) -> None:
        self.asked: list[tuple[str, str, int | None]] = []
        self._answers: asyncio.Queue[Outcome | Missing] = asyncio.Queue()
        for answer in answers:
            self.answer(answer)

    def answer(self, answer: Outcome | Missing) -> None:
        self._answers.put_nowait(answer)

    async def authorize(self, request: ProviderRequest) -> Outcome:
        return await self._perform("authorize", request)

    async def capture(self, request: ProviderRequest) -> Outcome:
        return await self._perform("capture", request)

    async def void(self, request: ProviderRequest) -> Outcome:
        return await self._perform("void", request)

    async def refund(self, request: ProviderRequest) -> Outcome:
        return await self._perform("refund", request)

    async def status(self, request: ProviderRequest) -> Outcome | Missing:
        self.asked.append(("status", request.key, None))
        return await self._answers.get()

    async def _perform(self, call: str, request: ProviderRequest) -> Outcome:
        self.asked.append((call, request.key, request.amount_minor))
        return cast("Outcome", await self._answers.get())

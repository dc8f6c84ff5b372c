"""What the processor relies on in every provider, whoever it is. An adapter's tests subclass this and say how to ask.

A provider is asked over its own wire: the simulator's is PostgreSQL, a real one's its sandbox.
"""

import asyncio
from dataclasses import replace

import pytest
from tests.support.waiting import wait_until

from gateway_processor.providers.base import Approved, Declined, Missing, Outcome, Pending, Provider, ProviderRequest

ANSWERS_WITHIN_SECONDS = 20.0
DEADLINE_SECONDS = 0.5
CALLS = ["authorize", "capture", "void", "refund"]


class ProviderConformance:
    """Subclasses give the fixtures `provider`, `request_to_approve`, `request_to_decline` and `request_without_answer`.

    Each request has a key that was never used before.
    """

    @pytest.mark.parametrize("call", CALLS)
    async def test_does_what_it_is_asked_and_status_says_the_same(
        self, provider: Provider, request_to_approve: ProviderRequest, call: str
    ) -> None:
        assert await ask(provider, call, request_to_approve) == Approved()
        assert await provider.status(request_to_approve) == Approved()

    @pytest.mark.parametrize("call", CALLS)
    async def test_the_same_key_again_gives_the_same_answer(
        self, provider: Provider, request_to_approve: ProviderRequest, call: str
    ) -> None:
        first = await ask(provider, call, request_to_approve)

        again = await asyncio.gather(*(ask(provider, call, request_to_approve) for _ in range(3)))

        assert again == [first] * 3

    async def test_the_same_key_at_once_gives_one_answer(
        self, provider: Provider, request_to_approve: ProviderRequest
    ) -> None:
        answers = await asyncio.gather(*(ask(provider, "authorize", request_to_approve) for _ in range(5)))

        assert set(answers) == {Approved()}

    async def test_the_first_request_of_a_key_decides_whatever_a_later_one_says(
        self, provider: Provider, request_to_approve: ProviderRequest, request_to_decline: ProviderRequest
    ) -> None:
        await ask(provider, "authorize", request_to_approve)

        assert await ask(provider, "authorize", replace(request_to_decline, key=request_to_approve.key)) == Approved()

    async def test_a_refusal_has_a_code_and_a_sentence_and_is_not_an_error(
        self, provider: Provider, request_to_decline: ProviderRequest
    ) -> None:
        answer = await ask(provider, "authorize", request_to_decline)

        assert isinstance(answer, Declined)
        assert answer.code.replace("_", "").isalpha()
        assert answer.message.endswith(".")
        assert await provider.status(request_to_decline) == answer

    async def test_a_key_that_never_came_is_missing(
        self, provider: Provider, request_to_approve: ProviderRequest
    ) -> None:
        assert await provider.status(request_to_approve) == Missing()

    async def test_who_stops_waiting_finds_the_outcome_by_status(
        self, provider: Provider, request_to_approve: ProviderRequest
    ) -> None:
        asking = asyncio.create_task(ask(provider, "authorize", request_to_approve))

        async def is_known() -> bool:
            return await provider.status(request_to_approve) != Missing()

        await wait_until(is_known)
        asking.cancel()

        assert await final_status(provider, request_to_approve) == Approved()

    async def test_a_request_that_is_never_answered_ends_at_the_callers_deadline_and_status_knows_it(
        self, provider: Provider, request_without_answer: ProviderRequest
    ) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(provider.authorize(request_without_answer), DEADLINE_SECONDS)

        assert await final_status(provider, request_without_answer) == Approved()


async def ask(provider: Provider, call: str, request: ProviderRequest) -> Outcome:
    """Make one of the four calls by name, under a deadline."""
    calls = {
        "authorize": provider.authorize,
        "capture": provider.capture,
        "void": provider.void,
        "refund": provider.refund,
    }
    return await asyncio.wait_for(calls[call](request), ANSWERS_WITHIN_SECONDS)


async def final_status(provider: Provider, request: ProviderRequest) -> Outcome | Missing:
    """Wait until the status is no longer pending."""

    async def is_final() -> bool:
        return not isinstance(await provider.status(request), Pending)

    await wait_until(is_final, seconds=ANSWERS_WITHIN_SECONDS)
    return await provider.status(request)

"""What the processor relies on in every provider, whoever it is. An adapter's tests subclass this and say how to ask.

A provider is asked over its own wire: the simulator's is PostgreSQL, a real one's its sandbox.
"""

import asyncio
from dataclasses import replace

import pytest
from tests.support.waiting import wait_until

from gateway_common.payments.model import Operation
from gateway_processor.providers.base import Approved, Declined, Missing, Outcome, Pending, Provider, ProviderRequest

ANSWERS_WITHIN_SECONDS = 20.0
DEADLINE_SECONDS = 0.5
CALLS = ["authorize", "capture", "void", "refund"]


class ProviderConformance:
    """Subclasses give the fixtures `provider`, `request_to_approve`, `request_to_decline` and `request_without_answer`.

    Each is an authorization with a key and a payment that were never used before. What comes after an authorization is
    asked of a payment that has one: see `prepare`.
    """

    @pytest.mark.parametrize("call", CALLS)
    async def test_does_what_it_is_asked_and_status_says_the_same(
        self, provider: Provider, request_to_approve: ProviderRequest, call: str
    ) -> None:
        request = await prepare(provider, call, request_to_approve)

        answer = await ask(provider, call, request)

        assert isinstance(answer, Approved)
        assert await provider.status(request) == answer
        assert await provider.status(replace(request, card=None, reference=answer.reference)) == answer

    @pytest.mark.parametrize("call", CALLS)
    async def test_the_same_key_again_gives_the_same_answer(
        self, provider: Provider, request_to_approve: ProviderRequest, call: str
    ) -> None:
        request = await prepare(provider, call, request_to_approve)
        first = await ask(provider, call, request)

        again = await asyncio.gather(*(ask(provider, call, request) for _ in range(3)))

        assert isinstance(first, Approved)
        assert again == [first] * 3

    @pytest.mark.parametrize("call", CALLS)
    async def test_the_same_key_at_once_gives_one_answer(
        self, provider: Provider, request_to_approve: ProviderRequest, call: str
    ) -> None:
        request = await prepare(provider, call, request_to_approve)

        answers = await asyncio.gather(*(ask(provider, call, request) for _ in range(5)))

        assert len(set(answers)) == 1
        assert isinstance(answers[0], Approved)

    @pytest.mark.parametrize("call", ["capture", "refund"])
    async def test_a_part_of_the_amount_can_be_taken_and_given_back(
        self, provider: Provider, request_to_approve: ProviderRequest, call: str
    ) -> None:
        request = await prepare(provider, call, request_to_approve)
        part = replace(request, amount_minor=request.amount_minor - 10_000)

        answer = await ask(provider, call, part)

        assert isinstance(answer, Approved)
        assert await provider.status(part) == answer

    async def test_the_first_request_of_a_key_decides_whatever_a_later_one_says(
        self, provider: Provider, request_to_approve: ProviderRequest, request_to_decline: ProviderRequest
    ) -> None:
        first = await ask(provider, "authorize", request_to_approve)

        later = replace(request_to_approve, vpa=request_to_decline.vpa, card=request_to_decline.card)

        assert isinstance(first, Approved)
        assert await ask(provider, "authorize", later) == first

    async def test_a_refusal_has_a_code_and_a_sentence_and_is_not_an_error(
        self, provider: Provider, request_to_decline: ProviderRequest
    ) -> None:
        answer = await ask(provider, "authorize", request_to_decline)

        assert isinstance(answer, Declined)
        assert answer.code.replace("_", "").isalpha()
        assert answer.message.endswith(".")
        assert await provider.status(request_to_decline) == answer

    @pytest.mark.parametrize("call", CALLS)
    async def test_a_key_that_never_came_is_missing(
        self, provider: Provider, request_to_approve: ProviderRequest, call: str
    ) -> None:
        assert await provider.status(await prepare(provider, call, request_to_approve)) == Missing()

    async def test_who_stops_waiting_finds_the_outcome_by_status(
        self, provider: Provider, request_to_approve: ProviderRequest
    ) -> None:
        asking = asyncio.create_task(ask(provider, "authorize", request_to_approve))

        async def is_known() -> bool:
            return await provider.status(request_to_approve) != Missing()

        await wait_until(is_known)
        asking.cancel()

        assert isinstance(await final_status(provider, request_to_approve), Approved)

    async def test_a_request_that_is_never_answered_ends_at_the_callers_deadline_and_status_knows_it(
        self, provider: Provider, request_without_answer: ProviderRequest
    ) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(provider.authorize(request_without_answer), DEADLINE_SECONDS)

        assert isinstance(await final_status(provider, request_without_answer), Approved)


async def prepare(provider: Provider, call: str, request: ProviderRequest) -> ProviderRequest:
    """The request for this call: of an authorization itself, else of the payment that it authorizes first.

    A refund's payment is captured as well. The reference is passed on as the processor does.
    """
    if call == "authorize":
        return request
    authorized = await ask(provider, "authorize", request)
    assert isinstance(authorized, Approved)
    later = replace(request, card=None, reference=authorized.reference)
    if call == "refund":
        capture = replace(later, key=f"{request.key}:capture", operation=Operation.CAPTURE)
        assert isinstance(await ask(provider, "capture", capture), Approved)
    return replace(later, key=f"{request.key}:{call}", operation=Operation(call))


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

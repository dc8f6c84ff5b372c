"""A provider that is down is let alone, and is asked again by one call at a time."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.claims import claimed_for
from tests.support.examples import example_payment
from tests.support.providers import ScriptedProvider

from gateway_common.payments.model import Operation
from gateway_processor.calls import request_of
from gateway_processor.providers.base import Approved, Declined, Outcome, Unknown, Unreachable
from gateway_processor.providers.breaker import Breaker

REQUEST = request_of(claimed_for(example_payment(provider="scripted"), Operation.AUTHORIZE), timeout_seconds=1.0)
DOWN = Unknown("502")


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def behind_breaker(*answers: Outcome) -> tuple[ScriptedProvider, Breaker, Time]:
    time, provider = Time(), ScriptedProvider(*answers)
    return provider, Breaker(provider, failures_most=3, open_seconds=10.0, monotonic=time), time


async def test_three_failures_in_a_row_and_the_provider_is_let_alone() -> None:
    provider, breaker, _ = behind_breaker(DOWN, Unreachable("refused"), DOWN)

    answers = [await breaker.authorize(REQUEST) for _ in range(5)]

    assert [type(answer) for answer in answers] == [Unknown, Unreachable, Unknown, Unreachable, Unreachable]
    assert len(provider.asked) == 3
    assert breaker.is_open(livemode=False)


@pytest.mark.parametrize("answer", [Approved(), Declined("payment_declined", "No.")])
async def test_an_answer_in_between_begins_the_count_anew(answer: Outcome) -> None:
    provider, breaker, _ = behind_breaker(DOWN, DOWN, answer, DOWN, DOWN, Approved())

    for _ in range(6):
        await breaker.capture(REQUEST)

    assert len(provider.asked) == 6


async def test_one_call_tries_whether_it_is_back_while_the_others_wait() -> None:
    provider, breaker, time = behind_breaker(DOWN, DOWN, DOWN)
    for _ in range(3):
        await breaker.authorize(REQUEST)
    time.now += 10.0

    trying = asyncio.create_task(breaker.status(REQUEST))
    await asyncio.sleep(0)
    assert isinstance(await breaker.authorize(REQUEST), Unreachable)
    provider.answer(Approved())
    assert await trying == Approved()

    provider.answer(Approved())
    assert await breaker.authorize(REQUEST) == Approved()


async def test_if_it_is_not_back_everybody_waits_as_long_again() -> None:
    provider, breaker, time = behind_breaker(DOWN, DOWN, DOWN, DOWN)
    for _ in range(3):
        await breaker.authorize(REQUEST)
    time.now += 10.0

    assert await breaker.authorize(REQUEST) == DOWN
    assert isinstance(await breaker.authorize(REQUEST), Unreachable)
    assert len(provider.asked) == 4


async def test_a_provider_that_answers_but_does_not_know_a_payment_is_not_down() -> None:
    lost = Unknown("its key is forgotten", is_down=False)
    provider, breaker, _ = behind_breaker(*[lost] * 6)

    for _ in range(6):
        assert await breaker.status(REQUEST) == lost

    assert len(provider.asked) == 6


async def test_silence_until_the_callers_deadline_is_a_failure() -> None:
    _, breaker, _ = behind_breaker()

    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(breaker.refund(REQUEST), 0.01)

    assert breaker.is_open(livemode=False)


async def test_what_fails_in_test_mode_takes_nothing_from_live_payments() -> None:
    provider, breaker, _ = behind_breaker(DOWN, DOWN, DOWN, Approved())
    for _ in range(3):
        await breaker.authorize(REQUEST)

    assert await breaker.authorize(replace(REQUEST, livemode=True)) == Approved()
    assert (breaker.is_open(livemode=False), breaker.is_open(livemode=True)) == (True, False)
    assert len(provider.asked) == 4

"""Stripe's adapter conforms to the port, against localstripe: a server of its own, by others, that keeps state."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.integration.processor.providers.conformance import ProviderConformance, ask, prepare
from tests.support.localstripe import DECLINED_CARD, SILENT_CARD, Door
from tests.support.stripe import new_card, new_request, stripe_at

from gateway_common.clock import system_clock
from gateway_common.payments.model import Operation
from gateway_processor.providers.base import Approved, Declined, Missing, ProviderRequest, Unknown
from gateway_processor.providers.stripe.adapter import Stripe

BANK_ASKS_CARD = "4000002500003155"


@pytest.fixture
async def provider(door: Door) -> AsyncIterator[Stripe]:
    async with stripe_at(door.url) as stripe:
        yield stripe


class TestStripe(ProviderConformance):
    @pytest.fixture
    def request_to_approve(self) -> ProviderRequest:
        return new_request()

    @pytest.fixture
    def request_to_decline(self) -> ProviderRequest:
        return new_request(card=new_card(DECLINED_CARD))

    @pytest.fixture
    def request_without_answer(self) -> ProviderRequest:
        return new_request(card=new_card(SILENT_CARD))


async def test_every_answer_names_the_payment_as_stripe_does(provider: Stripe) -> None:
    request = new_request()
    approved = await ask(provider, "authorize", request)
    declined = await ask(provider, "authorize", new_request(card=new_card(DECLINED_CARD)))

    assert isinstance(approved, Approved)
    assert isinstance(declined, Declined)
    assert (approved.reference or "").startswith("pi_")
    assert (declined.reference or "").startswith("pi_")


async def test_a_silent_stripe_is_an_unknown_outcome_that_names_the_payment(provider: Stripe) -> None:
    request = new_request(card=new_card(SILENT_CARD), timeout_seconds=1.0)

    unknown = await provider.authorize(request)

    assert isinstance(unknown, Unknown)
    assert unknown.reference is not None
    assert await provider.status(replace(request, reference=unknown.reference)) == Approved(unknown.reference)


async def test_a_card_whose_bank_wants_the_customer_to_confirm_is_declined(provider: Stripe) -> None:
    request = new_request(card=new_card(BANK_ASKS_CARD))

    answer = await provider.authorize(request)

    assert isinstance(answer, Declined)
    assert answer.code == "authentication_required"
    assert await provider.status(request) == answer


async def test_to_look_for_an_authorization_moves_no_money_and_authorizing_after_it_uses_the_same_intent(
    provider: Stripe, door: Door
) -> None:
    request = new_request()

    assert await provider.status(request) == Missing()
    approved = await provider.authorize(request)

    assert isinstance(approved, Approved)
    posts = [each for each in door.asked if each.startswith("POST")]
    assert posts == ["POST /v1/payment_intents"] * 2 + [f"POST /v1/payment_intents/{approved.reference}/confirm"]


async def test_an_intent_is_not_looked_for_by_a_key_that_stripe_may_have_forgotten(
    provider: Stripe, door: Door
) -> None:
    request = new_request(decided_at=system_clock() - timedelta(hours=23, minutes=1))

    assert isinstance(await provider.status(request), Unknown)
    assert door.asked == []


async def test_a_payment_with_a_name_is_found_however_old_it_is(provider: Stripe) -> None:
    request = new_request()
    approved = await provider.authorize(request)
    assert isinstance(approved, Approved)

    old = replace(request, reference=approved.reference, decided_at=system_clock() - timedelta(days=6))

    assert await provider.status(old) == approved


async def test_an_authorization_is_not_captured_twice_nor_given_back_once_it_is_captured(provider: Stripe) -> None:
    capture = await prepare(provider, "capture", new_request())
    first = await provider.capture(capture)

    assert await provider.capture(replace(capture, key=f"{capture.key}:again")) == first
    void = replace(capture, key=f"{capture.payment_id}:void", operation=Operation.VOID)
    answer = await provider.void(void)

    assert isinstance(answer, Declined)
    assert answer.code == "already_captured"
    assert await provider.status(void) == answer


async def test_what_was_given_back_is_not_captured(provider: Stripe) -> None:
    void = await prepare(provider, "void", new_request())
    await provider.void(void)

    capture = replace(void, key=f"{void.payment_id}:capture:1", operation=Operation.CAPTURE)

    assert isinstance(await provider.status(capture), Declined)


async def test_each_refund_is_told_from_the_others_of_its_payment(provider: Stripe) -> None:
    first = replace(await prepare(provider, "refund", new_request()), amount_minor=10_000)
    second = replace(first, key="rfnd_2")
    await provider.refund(first)

    assert await provider.status(first) == Approved(first.reference)
    assert await provider.status(second) == Missing()
    assert await provider.refund(second) == Approved(first.reference)
    assert await provider.status(second) == Approved(first.reference)


async def test_what_stripe_does_not_find_is_unknown_and_not_missing(provider: Stripe) -> None:
    for operation in (Operation.AUTHORIZE, Operation.CAPTURE, Operation.VOID, Operation.REFUND):
        request = new_request(operation, reference="pi_of_another_account")
        assert isinstance(await provider.status(request), Unknown)

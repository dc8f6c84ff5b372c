"""Stripe's answers that localstripe never gives, in the shapes of its documentation, and a network that fails.

A small HTTP server answers: https://docs.stripe.com/api/errors, https://docs.stripe.com/error-codes.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.support.localstripe import SECRET_KEY
from tests.support.receiver import Answer, Received, Receiver, answering, running_receiver
from tests.support.stripe import new_card, new_request, stripe_at

from gateway_cli.local.ports import find_free_ports
from gateway_common.payments.model import Operation
from gateway_processor.providers.base import Approved, Declined, Missing, Outcome, Pending, Unknown, Unreachable
from gateway_processor.providers.stripe.adapter import Stripe
from gateway_processor.providers.stripe.client import STRIPE_VERSION

INTENTS = "/v1/payment_intents"
CONFIRM, CAPTURE = f"{INTENTS}/pi_1/confirm", f"{INTENTS}/pi_1/capture"
REFUNDS = "/v1/refunds?payment_intent=pi_1&limit=100"


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    """Makes intents; what else it is asked for the test says."""
    async with running_receiver() as receiver:
        receiver.answer(INTENTS, saying({"id": "pi_1", "status": "requires_payment_method"}))
        yield receiver


@pytest.fixture
async def stripe(server: Receiver) -> AsyncIterator[Stripe]:
    async with stripe_at(server.url) as stripe:
        yield stripe


def saying(body: Any, *statuses: int) -> Answer:
    return answering(*(statuses or (200,)), body=json.dumps(body).encode())


def refusing(status: int, **error: Any) -> Answer:
    return saying({"error": error}, status)


async def breaking(_: Received, writer: asyncio.StreamWriter) -> None:
    """The connection ends when the request has been read."""
    writer.transport.abort()


def intent(status: str, **fields: Any) -> Answer:
    return saying({"id": "pi_1", "object": "payment_intent", "status": status} | fields)


def code_of(outcome: Outcome | Missing) -> str:
    return outcome.code if isinstance(outcome, Declined) else type(outcome).__name__


@pytest.mark.parametrize(
    ("code", "decline_code", "expected"),
    [
        ("card_declined", "generic_decline", "payment_declined"),
        ("card_declined", "insufficient_funds", "insufficient_funds"),
        ("expired_card", None, "expired_card"),
        ("incorrect_cvc", None, "incorrect_cvc"),
        ("authentication_required", "authentication_required", "authentication_required"),
    ],
)
async def test_a_declined_card_is_declined(
    stripe: Stripe, server: Receiver, code: str, decline_code: str | None, expected: str
) -> None:
    error = {"type": "card_error", "code": code, "decline_code": decline_code, "message": "Your card was declined."}
    server.answer(CONFIRM, refusing(402, **error))

    answer = await stripe.authorize(new_request())

    assert isinstance(answer, Declined)
    assert (answer.code, answer.reference) == (expected, "pi_1")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (intent("requires_capture"), Approved("pi_1")),
        (intent("processing"), Pending(reference="pi_1")),
        (refusing(401, type="invalid_request_error", message="Invalid API Key provided: sk_test_***"), Unreachable),
        (refusing(429, type="invalid_request_error", code="rate_limit"), Unreachable),
        (refusing(429, type="invalid_request_error", code="lock_timeout"), Unknown),
        (refusing(500, type="api_error", message="An unknown error occurred."), Unknown),
        (answering(502, body=b"<html>Bad gateway</html>"), Unknown),
        (answering(200, body=b"<html>It works!</html>"), Unknown),
        (answering(200, body=b"[]"), Unknown),
        (answering(200, body=b"{" + b" " * 2_000_000 + b"}"), Unknown),
        (answering(302, headers="Location: /v1/payment_intents\r\n"), Unknown),
        (breaking, Unknown),
        (intent("requires_payment_method"), Unknown),
    ],
)
async def test_only_what_stripe_surely_did_or_refused_is_an_outcome(
    stripe: Stripe, server: Receiver, answer: Answer, expected: Outcome | type
) -> None:
    server.answer(CONFIRM, answer)

    outcome = await stripe.authorize(new_request())

    assert isinstance(outcome, expected) if isinstance(expected, type) else outcome == expected
    assert isinstance(outcome, Unreachable) or outcome.reference == "pi_1"


@pytest.mark.parametrize("answer", [breaking, answering(500), answering(200, body=b"{}")])
async def test_an_intent_of_which_nothing_is_heard_leaves_the_outcome_unknown(
    stripe: Stripe, server: Receiver, answer: Answer
) -> None:
    server.answer(INTENTS, answer)

    assert isinstance(await stripe.authorize(new_request()), Unknown)
    assert server.at(CONFIRM) == []


async def test_a_stripe_that_hangs_is_given_up_before_the_callers_deadline(stripe: Stripe, server: Receiver) -> None:
    server.answer(CONFIRM, answering(200, after_seconds=60))

    async with asyncio.timeout(1.0):
        outcome = await stripe.authorize(new_request(timeout_seconds=1.0))

    assert isinstance(outcome, Unknown)
    assert outcome.reference == "pi_1"


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "https://127.0.0.1:{port}", "http://stripe.invalid"])
async def test_who_can_not_be_connected_to_was_not_reached(url: str) -> None:
    (port,) = find_free_ports(1)
    async with stripe_at(url.format(port=port)) as stripe:
        for call in (stripe.authorize(new_request()), stripe.capture(new_request(Operation.CAPTURE))):
            assert isinstance(await call, Unreachable)


async def test_a_server_without_tls_was_not_reached(server: Receiver) -> None:
    async with stripe_at(server.url.replace("http:", "https:")) as stripe:
        assert isinstance(await stripe.authorize(new_request()), Unreachable)


async def test_a_mode_without_a_key_reaches_nobody(stripe: Stripe, server: Receiver) -> None:
    assert isinstance(await stripe.authorize(new_request(livemode=True)), Unreachable)
    assert server.at(INTENTS) == []


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (intent("requires_capture"), "Approved"),
        (intent("requires_payment_method"), "provider_refused"),
        (intent("canceled"), "cancelled_at_provider"),
        (refusing(500, type="api_error"), "Unknown"),
        (refusing(401, type="invalid_request_error"), "Unknown"),
        (breaking, "Unknown"),
    ],
)
async def test_when_stripe_refuses_to_confirm_the_state_of_the_intent_decides(
    stripe: Stripe, server: Receiver, found: Answer, expected: str
) -> None:
    server.answer(CONFIRM, refusing(400, type="invalid_request_error", code="payment_intent_unexpected_state"))
    server.answer(f"{INTENTS}/pi_1", found)

    assert code_of(await stripe.authorize(new_request())) == expected


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("succeeded", "payment_intent_unexpected_state", "Approved"),
        ("canceled", "charge_expired_for_capture", "authorization_expired"),
        ("requires_capture", "amount_too_large", "amount_not_supported"),
        ("requires_capture", "parameter_invalid_integer", "provider_refused"),
    ],
)
async def test_when_stripe_refuses_to_capture_the_state_of_the_intent_decides(
    stripe: Stripe, server: Receiver, status: str, code: str, expected: str
) -> None:
    server.answer(CAPTURE, refusing(400, type="invalid_request_error", code=code))
    server.answer(f"{INTENTS}/pi_1", intent(status, amount_received=50_000))

    assert code_of(await stripe.capture(new_request(Operation.CAPTURE))) == expected


async def test_a_refund_that_stripe_refuses_has_failed_unless_it_was_made_before(
    stripe: Stripe, server: Receiver
) -> None:
    request = new_request(Operation.REFUND)
    made = {"id": "re_1", "status": "succeeded", "metadata": {"refund_id": request.key}}
    server.answer("/v1/refunds", refusing(400, type="invalid_request_error", code="charge_already_refunded"))

    server.answer(REFUNDS, saying({"object": "list", "data": [], "has_more": False}))
    assert code_of(await stripe.refund(request)) == "provider_refused"
    server.answer(REFUNDS, saying({"object": "list", "data": [made], "has_more": False}))
    assert await stripe.refund(request) == Approved("pi_1")


@pytest.mark.parametrize("operation", [Operation.AUTHORIZE, Operation.CAPTURE, Operation.REFUND])
async def test_a_key_that_came_before_with_other_words_is_no_refusal_of_what_it_stands_for(
    stripe: Stripe, server: Receiver, operation: Operation
) -> None:
    for path in (CONFIRM, CAPTURE, "/v1/refunds"):
        server.answer(path, refusing(400, type="idempotency_error", message="Keys can only be used with the same ..."))
    unseen = "requires_payment_method" if operation is Operation.AUTHORIZE else "requires_capture"
    server.answer(f"{INTENTS}/pi_1", intent(unseen))
    server.answer(REFUNDS, saying({"object": "list", "data": [], "has_more": False}))
    call = {"authorize": stripe.authorize, "capture": stripe.capture, "refund": stripe.refund}[operation]

    assert isinstance(await call(new_request(operation)), Unknown)


async def test_a_refund_is_looked_for_on_every_page(stripe: Stripe, server: Receiver) -> None:
    request = new_request(Operation.REFUND)
    others = [{"id": f"re_{number}", "status": "succeeded", "metadata": {}} for number in range(100)]
    ours = {"id": "re_100", "status": "pending", "metadata": {"refund_id": request.key}}
    server.answer(REFUNDS, saying({"object": "list", "data": others, "has_more": True}))
    server.answer(f"{REFUNDS}&starting_after=re_99", saying({"object": "list", "data": [ours], "has_more": False}))

    assert await stripe.status(request) == Pending(reference="pi_1")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": "amount_too_small"}, "amount_not_supported"),
        ({"code": "parameter_unknown", "param": "currency"}, "provider_refused"),
        ({"type": "idempotency_error"}, "Unknown"),
    ],
)
async def test_an_intent_that_stripe_does_not_make_is_a_refusal_unless_its_key_came_before(
    stripe: Stripe, server: Receiver, error: dict[str, Any], expected: str
) -> None:
    server.answer(INTENTS, refusing(400, **{"type": "invalid_request_error"} | error))

    assert code_of(await stripe.authorize(new_request())) == expected
    assert code_of(await stripe.status(new_request())) == expected


async def test_an_amount_that_stripe_can_not_take_is_not_sent(stripe: Stripe, server: Receiver) -> None:
    for operation in (Operation.AUTHORIZE, Operation.CAPTURE, Operation.REFUND):
        request = new_request(operation, amount_minor=5_124, currency="KWD")
        call = {"authorize": stripe.authorize, "capture": stripe.capture, "refund": stripe.refund}[operation]
        assert code_of(await call(request)) == "amount_not_supported"
    assert server.at(INTENTS) == []


async def test_an_answer_to_the_same_key_that_is_still_made_is_waited_for(stripe: Stripe, server: Receiver) -> None:
    server.answer(CAPTURE, saying({"id": "pi_1", "status": "succeeded"}, 409, 409, 200))

    assert await stripe.capture(new_request(Operation.CAPTURE)) == Approved("pi_1")
    assert len({received.headers["idempotency-key"] for received in server.at(CAPTURE)}) == 1


async def test_it_is_not_waited_for_longer_than_the_caller_does(stripe: Stripe, server: Receiver) -> None:
    server.answer(CAPTURE, refusing(409, type="idempotency_error", code="idempotency_key_in_use"))

    async with asyncio.timeout(1.0):
        assert isinstance(await stripe.capture(new_request(Operation.CAPTURE, timeout_seconds=1.0)), Unknown)


async def test_every_request_says_who_asks_which_version_and_under_which_key(
    stripe: Stripe, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server.answer(CONFIRM, intent("requires_capture"))
    request = new_request()

    assert await stripe.authorize(request) == Approved("pi_1")

    created, confirmed = server.at(INTENTS)[0], server.at(CONFIRM)[0]
    assert created.headers["authorization"] == f"Bearer {SECRET_KEY}"
    assert {created.headers["stripe-version"], confirmed.headers["stripe-version"]} == {STRIPE_VERSION}
    assert created.headers["idempotency-key"] == f"{request.key}:create"
    assert confirmed.headers["idempotency-key"] == f"{request.key}:confirm"
    assert b"4242424242424242" not in created.body


async def test_neither_card_nor_key_is_in_what_is_logged_or_answered(stripe: Stripe, server: Receiver) -> None:
    words = "4242424242424242 737"
    for answer in (refusing(400, type="invalid_request_error", message=words), refusing(402, message=words), breaking):
        server.answer(CONFIRM, answer)
        with capture_logs() as lines:
            outcome = await stripe.authorize(new_request(card=new_card()))
        said = f"{lines} {outcome}"
        assert not any(word in said for word in ("4242424242424242", "737", SECRET_KEY))

"""A second provider takes over when the first can't be reached, and never when it may have done something."""

from dataclasses import dataclass

import pytest
from tests.support.merchants import Merchant
from tests.support.processing import new_processor
from tests.support.providers import ScriptedProvider
from tests.support.records import make_due, read_answers, read_audit, read_lease, read_payment, read_rows, write_rows

from gateway_common.db.database import Database
from gateway_common.payments.model import PaymentStatus
from gateway_common.providers.model import SIMULATOR, STRIPE
from gateway_common.queue.ringer import Ringer
from gateway_processor.payments import PaymentProcessor
from gateway_processor.providers.base import Approved, Missing, Outcome, Unknown, Unreachable
from gateway_processor.providers.breaker import Breaker

REFUSED = Unreachable("connection refused")


@dataclass(frozen=True)
class Pair:
    """Two providers of one route. By their names they are real ones, for no other names are known."""

    first: ScriptedProvider
    second: ScriptedProvider
    processor: PaymentProcessor


@pytest.fixture
async def pair(database: Database, ringer: Ringer) -> Pair:
    await write_rows(database, "UPDATE provider_routes SET providers = '{stripe,simulator}'")
    first, second = ScriptedProvider(), ScriptedProvider()
    processor = new_processor(database, ringer, {STRIPE: Breaker(first, failures_most=2), SIMULATOR: second})
    return Pair(first, second, processor)


async def create(merchant: Merchant) -> str:
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2099, "cvc": "123"}
    return await merchant.create_by(method="card", card=card)


async def test_the_first_of_the_route_is_asked_and_does_all_that_follows(
    database: Database, merchant: Merchant, pair: Pair
) -> None:
    payment_id = await create(merchant)
    pair.first.answer(Approved("pi_1"))
    pair.first.answer(Approved("pi_1"))

    await pair.processor.process(payment_id)
    await merchant.capture(payment_id)
    await write_rows(database, "UPDATE provider_routes SET providers = '{simulator}'")
    await pair.processor.process(payment_id)

    assert [call for call, *_ in pair.first.asked] == ["authorize", "capture"]
    assert pair.second.asked == []
    payment = await read_payment(database, payment_id)
    assert (payment.provider, payment.provider_reference) == ("stripe", "pi_1")


async def test_the_second_takes_over_when_the_first_can_not_be_reached(
    database: Database, merchant: Merchant, pair: Pair
) -> None:
    payment_id = await create(merchant)
    pair.first.answer(REFUSED)
    pair.second.answer(Approved())

    await pair.processor.process(payment_id)
    between = await read_payment(database, payment_id)
    assert (between.status, between.provider) == (PaymentStatus.PROCESSING, "simulator")
    assert (await read_lease(database, payment_id))["due_in_seconds"] <= 0
    await pair.processor.process(payment_id)

    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS
    assert [call for call, *_ in pair.second.asked] == ["authorize"], "nobody has to ask for its status"
    answers = await read_rows(database, "SELECT provider, outcome FROM provider_answers ORDER BY attempt")
    assert [tuple(each.values()) for each in answers] == [("stripe", "unreachable"), ("simulator", "approved")]
    assert await read_audit(database) == []


async def test_the_next_payments_pass_by_a_provider_that_is_down(
    database: Database, merchant: Merchant, pair: Pair
) -> None:
    for _ in range(2):
        pair.first.answer(REFUSED)
        await pair.processor.process(await create(merchant))
    payment_id = await create(merchant)
    pair.second.answer(Approved())

    await pair.processor.process(payment_id)

    assert len(pair.first.asked) == 2
    assert await read_answers(database, payment_id) == [(1, "authorize", "approved", None)]


@pytest.mark.parametrize("again", [Unknown("502"), REFUSED, Unknown("no answer")])
async def test_after_an_unknown_outcome_nobody_else_is_ever_asked(
    database: Database, merchant: Merchant, pair: Pair, again: Outcome
) -> None:
    payment_id = await create(merchant)
    pair.first.answer(Unknown("the connection broke"))
    await pair.processor.process(payment_id)

    for _ in range(4):
        pair.first.answer(again)
        await make_due(database, payment_id)
        await pair.processor.process(payment_id)

    assert pair.second.asked == []
    payment = await read_payment(database, payment_id)
    assert (payment.status, payment.provider) == (PaymentStatus.PROCESSING, "stripe")
    assert {call for call, *_ in pair.first.asked[1:]} <= {"status"}


async def test_who_took_over_is_asked_by_a_successor_whether_it_got_the_request(
    database: Database, merchant: Merchant, pair: Pair
) -> None:
    payment_id = await create(merchant)
    pair.first.answer(REFUSED)
    await pair.processor.process(payment_id)
    claimed = await pair.processor.claim(payment_id)
    assert claimed is not None
    await write_rows(database, "UPDATE payments SET worker_id = NULL, leased_at = NULL")
    pair.second.answer(Missing())
    pair.second.answer(Approved())

    await pair.processor.process(payment_id)

    assert [call for call, *_ in pair.second.asked] == ["status", "authorize"]
    assert len(pair.first.asked) == 1


async def test_when_all_are_away_the_payment_waits_and_the_first_that_is_back_gets_it(
    database: Database, merchant: Merchant, pair: Pair
) -> None:
    payment_id = await create(merchant)
    pair.first.answer(REFUSED)
    pair.second.answer(REFUSED)
    await pair.processor.process(payment_id)
    await pair.processor.process(payment_id)
    waiting = await read_payment(database, payment_id)
    assert (waiting.status, waiting.provider) == (PaymentStatus.PROCESSING, None)
    assert (await read_lease(database, payment_id))["due_in_seconds"] > 5

    await make_due(database, payment_id)
    pair.first.answer(Approved("pi_1"))
    await pair.processor.process(payment_id)

    payment = await read_payment(database, payment_id)
    assert (payment.status, payment.provider) == (PaymentStatus.SUCCESS, "stripe")
    assert [call for call, *_ in pair.first.asked] == ["authorize", "authorize"]

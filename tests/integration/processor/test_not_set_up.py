"""A route may name a provider for which this processor has no credentials: nobody is charged, and nothing is lost."""

import pytest
from tests.support.merchants import Merchant
from tests.support.processing import new_processor
from tests.support.providers import ScriptedProvider
from tests.support.records import make_due, read_lease, read_payment, write_rows

from gateway_common.db.database import Database
from gateway_common.payments.model import PaymentStatus
from gateway_common.providers.model import SIMULATOR, STRIPE
from gateway_common.queue.ringer import Ringer
from gateway_processor.providers.base import Approved

CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2099, "cvc": "123"}


async def test_a_payment_waits_for_a_provider_that_is_not_set_up_and_goes_out_when_it_is(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    await write_rows(database, "UPDATE provider_routes SET providers = '{stripe}'")
    payment_id = await merchant.create_by(method="card", card=CARD)

    await new_processor(database, ringer, {SIMULATOR: ScriptedProvider()}).process(payment_id)

    waiting = await read_payment(database, payment_id)
    assert (waiting.status, waiting.provider) == (PaymentStatus.PROCESSING, None)
    assert (await read_lease(database, payment_id))["due_in_seconds"] > 4

    await make_due(database, payment_id)
    await new_processor(database, ringer, {STRIPE: ScriptedProvider(Approved("pi_1"))}).process(payment_id)
    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS


@pytest.mark.parametrize("decide", ["capture", "cancel"])
async def test_what_follows_an_authorization_waits_for_its_provider_and_asks_no_other(
    database: Database, ringer: Ringer, merchant: Merchant, decide: str
) -> None:
    await write_rows(database, "UPDATE provider_routes SET providers = '{stripe,simulator}'")
    payment_id = await merchant.create_by(method="card", card=CARD)
    await new_processor(database, ringer, {STRIPE: ScriptedProvider(Approved("pi_1"))}).process(payment_id)
    await (merchant.capture(payment_id) if decide == "capture" else merchant.cancel(payment_id))
    other = ScriptedProvider()

    for _ in range(2):
        await make_due(database, payment_id)
        await new_processor(database, ringer, {SIMULATOR: other}).process(payment_id)

    assert other.asked == []
    payment = await read_payment(database, payment_id)
    assert (payment.provider, payment.operation_attempt) == ("stripe", 2)

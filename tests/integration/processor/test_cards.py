"""Card payments by their test numbers, and what becomes of a card that can't be read any more."""

import base64
from typing import Any

import pytest
from tests.support.databases import MASTER_KEY
from tests.support.merchants import Merchant
from tests.support.processing import new_processor, work_off
from tests.support.providers import ScriptedProvider
from tests.support.records import (
    make_due,
    read_answers,
    read_event_types,
    read_events,
    read_lease,
    read_payment,
    read_rows,
    read_simulator_requests,
    store_payments,
    write_rows,
)

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.payments.cards import Card
from gateway_common.payments.model import PaymentStatus
from gateway_common.queue.ringer import Ringer
from gateway_processor.providers.base import Approved, Outcome, ProviderRequest

OTHER_MASTER_KEY = base64.b64encode(bytes(range(1, 33))).decode()
AUTHORIZED = ["payment.created", "payment.processing", "payment.success"]


async def create(merchant: Merchant, number: str = "4242424242424242") -> str:
    card = {"number": number, "exp_month": 12, "exp_year": 2098, "cvc": "123", "name": "Asha Rao"}
    return await merchant.create_by(method="card", card=card)


async def cards(database: Database) -> int:
    return len(await read_rows(database, "SELECT FROM payment_cards"))


class CardReader(ScriptedProvider):
    """Keeps the card of each request, as an adapter would send it on."""

    def __init__(self, *answers: Outcome) -> None:
        super().__init__(*answers)
        self.cards: list[Card | None] = []

    async def authorize(self, request: ProviderRequest) -> Outcome:
        self.cards.append(request.card)
        return await super().authorize(request)

    async def capture(self, request: ProviderRequest) -> Outcome:
        self.cards.append(request.card)
        return await super().capture(request)


async def test_a_good_card_is_authorized_and_captured_and_its_number_is_gone(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await create(merchant)
    processor = new_processor(database, ringer)
    assert await cards(database) == 1

    await work_off(processor, database, payment_id)
    assert await cards(database) == 0
    await merchant.capture(payment_id)
    await work_off(processor, database, payment_id)

    payment = await read_payment(database, payment_id)
    assert (payment.status, payment.capture_status) == (PaymentStatus.SUCCESS, "completed")
    assert payment.method_details == {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2098}
    assert await read_simulator_requests(database, payment_id) == {"authorize": 1, "capture": 1}


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("4000000000000002", "payment_declined"),
        ("4000000000009995", "insufficient_funds"),
        ("4000000000000069", "expired_card"),
    ],
)
async def test_a_card_that_is_declined_fails_with_its_reason_and_its_number_is_gone(
    database: Database, ringer: Ringer, merchant: Merchant, number: str, code: str
) -> None:
    payment_id = await create(merchant, number)

    await work_off(new_processor(database, ringer), database, payment_id)

    payment = await read_payment(database, payment_id)
    assert (payment.status, payment.error_code) == (PaymentStatus.FAILED, code)
    assert (await read_events(database, payment_id))[-1][1]["error"]["code"] == code
    assert await read_answers(database, payment_id) == [(1, "authorize", "declined", code)]
    assert await cards(database) == 0


async def test_a_card_whose_bank_does_not_answer_is_processing_until_a_status_check_finds_success(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await create(merchant, "4000000000000119")
    processor = new_processor(database, ringer, provider_timeout_seconds=0.3)

    await processor.process(payment_id)
    assert (await read_payment(database, payment_id)).status is PaymentStatus.PROCESSING
    assert await cards(database) == 1, "it may have to be sent again"
    await make_due(database, payment_id)
    await work_off(processor, database, payment_id)

    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS
    assert await read_simulator_requests(database, payment_id) == {"authorize": 1}
    assert await read_event_types(database, payment_id) == AUTHORIZED
    assert [outcome for _, _, outcome, _ in await read_answers(database, payment_id)] == ["unknown", "approved"]
    assert await cards(database) == 0


async def test_the_provider_gets_the_card_as_it_came_and_only_for_the_authorization(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await create(merchant, "4000000000000119")
    provider = CardReader(Approved(), Approved())
    processor = new_processor(database, ringer, provider)

    await processor.process(payment_id)
    await merchant.capture(payment_id)
    await processor.process(payment_id)

    assert provider.cards == [
        Card(number="4000000000000119", exp_month=12, exp_year=2098, cvc="123", name="Asha Rao"), None
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["other master key", "moved to another row", "gone"])
async def test_a_card_that_can_not_be_read_fails_its_payment_and_the_provider_is_not_asked(
    database: Database, ringer: Ringer, merchant: Merchant, how: str
) -> None:
    payment_id = await create(merchant)
    if how == "moved to another row":
        other = await create(merchant)
        await write_rows(
            database,
            "UPDATE payment_cards SET sealed = (SELECT sealed FROM payment_cards WHERE payment_id = :other)"
            " WHERE payment_id = :id",
            id=payment_id, other=other,
        )  # fmt: skip
    elif how == "gone":
        await write_rows(database, "DELETE FROM payment_cards")
    provider = ScriptedProvider()
    master_key = OTHER_MASTER_KEY if how == "other master key" else MASTER_KEY

    await new_processor(database, ringer, provider, master_key=master_key).process(payment_id)

    payment = await read_payment(database, payment_id)
    assert (payment.status, payment.error_code) == (PaymentStatus.FAILED, "card_unreadable")
    assert payment.error_message == "The card could not be read any more. Nothing was charged."
    assert provider.asked == []
    assert await read_rows(database, "SELECT FROM payment_cards WHERE payment_id = :id", id=payment_id) == []
    assert (await read_lease(database, payment_id))["due_in_seconds"] is None


async def test_a_card_that_can_not_be_read_any_more_does_not_undo_what_the_provider_has_done(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await create(merchant, "4000000000000119")
    await new_processor(database, ringer, provider_timeout_seconds=0.3).process(payment_id)
    await write_rows(database, "DELETE FROM payment_cards")
    await make_due(database, payment_id)

    await work_off(new_processor(database, ringer), database, payment_id)

    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS


async def test_a_card_sealed_by_an_earlier_master_key_is_read_while_that_key_is_kept(
    database: Database, ringer: Ringer, master_key: str
) -> None:
    merchant = Merchant(database, Keyring(master_key), ringer)
    payment_id = await create(merchant)

    await work_off(new_processor(database, ringer, master_key=f"{OTHER_MASTER_KEY},{master_key}"), database, payment_id)

    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS


@pytest.mark.parametrize("method", ["upi", "netbanking"])
async def test_a_live_payment_that_no_route_serves_waits_and_enters_no_account(
    database: Database, ringer: Ringer, method: str
) -> None:
    [payment] = await store_payments(database, livemode=True, method=method)

    await new_processor(database, ringer).process(payment.id)

    waiting = await read_payment(database, payment.id)
    assert (waiting.status, waiting.version) == (PaymentStatus.PENDING, payment.version)
    assert 5 < (await read_lease(database, payment.id))["due_in_seconds"] <= 10
    assert await read_simulator_requests(database, payment.id) == {}


@pytest.mark.parametrize(
    "wanted",
    [
        {"method": "upi", "upi": {"flow": "intent"}},
        {"method": "upi", "upi": {"flow": "qr"}},
        {"method": "netbanking", "bank": "hdfc"},
        {"method": "wallet", "wallet": "paytm"},
    ],
)
async def test_every_other_method_is_authorized_too(
    database: Database, ringer: Ringer, merchant: Merchant, wanted: dict[str, Any]
) -> None:
    payment_id = await merchant.create_by(**wanted)

    await work_off(new_processor(database, ringer), database, payment_id)

    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS
    assert await read_event_types(database, payment_id) == AUTHORIZED

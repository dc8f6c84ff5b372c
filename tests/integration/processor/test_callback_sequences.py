"""Any sequence of callbacks, handlers and processors: a payment never becomes more than its provider says of it."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.callbacks import call_back
from tests.support.doorbell import bell
from tests.support.merchants import Merchant
from tests.support.processing import new_processor
from tests.support.records import read_audit, read_event_types, read_payment, write_rows

from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.payments.model import PaymentStatus
from gateway_common.queue.messages import WEBHOOKS_STREAM
from gateway_common.queue.ringer import Ringer
from gateway_common.settings import normalize_database_url
from gateway_processor.callbacks import CallbackHandler
from gateway_processor.payments import PaymentProcessor
from gateway_processor.providers.base import Approved, Declined, Expired, Missing, Outcome, Pending, ProviderRequest

YES = Approved("ref_1")
NO = Declined("payment_declined", "The bank said no.")
WAITING = Pending(check_in_seconds=60.0)
STATUSES = {
    YES: {PaymentStatus.SUCCESS},
    NO: {PaymentStatus.FAILED, PaymentStatus.EXPIRED},
    WAITING: {PaymentStatus.PROCESSING, PaymentStatus.FAILED, PaymentStatus.EXPIRED},
    Expired(): {PaymentStatus.EXPIRED, PaymentStatus.FAILED},
}
"""What a payment may be in the end whose provider last said this: it ends once, and only a yes brings it back."""


class Bank:
    """A provider whose customer may change their mind until it has said yes."""

    name = "bank"

    def __init__(self, first: Outcome) -> None:
        self.truth = first
        self.authorized = 0

    def say(self, outcome: Outcome) -> None:
        if self.truth != YES:
            self.truth = outcome

    async def authorize(self, _: ProviderRequest) -> Outcome:
        self.authorized += 1
        return self.truth

    async def capture(self, _: ProviderRequest) -> Outcome:
        return YES

    async def void(self, _: ProviderRequest) -> Outcome:
        return YES

    async def refund(self, _: ProviderRequest) -> Outcome:
        return YES

    async def status(self, _: ProviderRequest) -> Outcome | Missing:
        return self.truth


@dataclass(frozen=True)
class World:
    """One payment, its bank, and two of each who may work on it at once."""

    database: Database
    payment_id: str
    bank: Bank
    handlers: list[CallbackHandler]
    processors: list[PaymentProcessor]

    async def do(self, step: str) -> None:
        match step:
            case "yes":
                self.bank.say(YES)
            case "no":
                self.bank.say(NO)
            case "a callback":
                await call_back(self.database, self.payment_id)
            case "a copy":
                await call_back(self.database, self.payment_id, event_id=f"the copied one of {self.payment_id}")
            case "handled":
                await self.handle(1)
            case "handled twice at once":
                await self.handle(2)
            case "processed":
                await self.processors[0].process(self.payment_id)
            case "all at once":
                await asyncio.gather(self.handle(2), *(each.process(self.payment_id) for each in self.processors))

    async def handle(self, at_once: int) -> None:
        await write_rows(self.database, "UPDATE provider_callbacks SET due_at = now() WHERE due_at IS NOT NULL")
        await asyncio.gather(*(each.handle() for each in self.handlers[:at_once]))


STEPS = ("yes", "no", "a callback", "a copy", "handled", "handled twice at once", "processed", "all at once")


async def live_through(
    database_url: str, redis_url: str, master_key: str, *, first: Outcome, capture_method: str, steps: list[str]
) -> None:
    database = Database(normalize_database_url(database_url), application_name="test", pool_size=6)
    async with bell(redis_url) as payments, bell(redis_url, WEBHOOKS_STREAM) as webhooks:
        ringer, bank = Ringer(payments, webhooks), Bank(first)
        merchant = Merchant(database, Keyring(master_key), ringer)
        world = World(
            database,
            await merchant.create(capture_method=capture_method),
            bank,
            [CallbackHandler(database, ringer, system_clock) for _ in range(2)],
            [new_processor(database, ringer, bank, worker_id=f"wrk_{number}") for number in range(2)],
        )
        for step in ("processed", *steps, "a callback", "handled", "processed", "processed"):
            await world.do(step)

        payment = await read_payment(database, world.payment_id)
        told = Counter(await read_event_types(database, world.payment_id))
        assert payment.status in STATUSES[bank.truth]
        assert payment.captured == (bank.truth == YES and capture_method == "automatic")
        assert bank.authorized == 1
        assert told["payment.success"] + told["payment.late_success"] == (bank.truth == YES)
        assert set(told.values()) == {1}
        assert await read_audit(database) == []
    await database.close()


@settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    first=st.sampled_from([NO, WAITING, Expired(), YES]),
    capture_method=st.sampled_from(["manual", "automatic"]),
    steps=st.lists(st.sampled_from(STEPS), max_size=20),
)
def test_in_the_end_the_payment_is_what_the_provider_says_and_each_event_is_told_once(
    database_url: str, redis_url: str, master_key: str, *, first: Outcome, capture_method: str, steps: list[str]
) -> None:
    story = live_through(database_url, redis_url, master_key, first=first, capture_method=capture_method, steps=steps)

    asyncio.run(story)

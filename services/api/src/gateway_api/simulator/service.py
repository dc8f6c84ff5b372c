"""What a tester does in the place of the customer's bank: say what became of a payment, and call the gateway."""

from dataclasses import dataclass

from gateway_api.answers import Answer, answer
from gateway_api.auth import Caller
from gateway_api.idempotency import Attempt, Idempotency
from gateway_common.callbacks.simulated import simulated_callbacks
from gateway_common.callbacks.store import insert_callbacks
from gateway_common.clock import Clock
from gateway_common.db.database import Connection, Database
from gateway_common.errors import NotFoundError, PaymentStateError
from gateway_common.payments.model import UNDER_WAY, Payment, PaymentStatus, may_succeed_late, payment_snapshot
from gateway_common.payments.store import find_payments, get_payment
from gateway_common.providers.model import SIMULATOR
from gateway_common.queue.ringer import Ringer
from gateway_common.simulator.model import SimulatedOperation, SimulatedOutcome, authorization_key
from gateway_common.simulator.store import find_operations, find_payee, settle_authorization


@dataclass(frozen=True, slots=True)
class AtTheBank:
    """A payment as the customer's bank sees it. Without an operation it has not come there yet."""

    payment: Payment
    payee: str
    operation: SimulatedOperation | None


class BankService:
    def __init__(self, database: Database, idempotency: Idempotency, ringer: Ringer, clock: Clock) -> None:
        self._database = database
        self._idempotency = idempotency
        self._ringer = ringer
        self._clock = clock

    async def set_outcome(
        self, caller: Caller, payment_id: str, outcome: SimulatedOutcome, attempt: Attempt | None
    ) -> Answer:
        """Say what became of the merchant's payment. The payment itself follows when the processor has heard of it."""

        async def act(connection: Connection) -> Answer:
            payment = await get_payment(
                connection, payment_id, merchant_id=caller.merchant_id, livemode=caller.livemode, lock=True
            )
            check_undecided(payment)
            if not await self._settle(connection, payment.id, outcome):
                raise PaymentStateError("The simulator knows no such request, or it was taken back.")
            return answer(200, payment_snapshot(payment))

        given = await self._idempotency.run(attempt, act)
        self._ringer.ring_callbacks()
        return given

    async def get(self, payment_id: str) -> AtTheBank:
        """The payment at the bank, whoever's it is; NotFoundError, also for a live one."""
        async with self._database.transaction() as connection:
            payment = (await find_payments(connection, [payment_id])).get(payment_id)
            if payment is None or payment.livemode:
                raise NotFoundError("There is no such payment.")
            [operation] = await find_operations(connection, [authorization_key(payment_id)])
            return AtTheBank(payment, await find_payee(connection, payment_id) or "", operation)

    async def decide(self, payment_id: str, outcome: SimulatedOutcome) -> None:
        """Decide as the customer, if they are still asked; otherwise it is too late, and nothing changes."""
        async with self._database.transaction() as connection:
            settled = await self._settle(connection, payment_id, outcome, only_waiting=True)
        if settled:
            self._ringer.ring_callbacks()

    async def _settle(
        self, connection: Connection, payment_id: str, outcome: SimulatedOutcome, *, only_waiting: bool = False
    ) -> bool:
        due = await settle_authorization(connection, payment_id, outcome, only_waiting=only_waiting)
        if due is not None:
            await insert_callbacks(connection, simulated_callbacks(due, provider=SIMULATOR, now=self._clock()))
        return due is not None


def check_undecided(payment: Payment) -> None:
    """PaymentStateError unless the simulator was asked for the payment and it waits, or may still succeed late."""
    if payment.livemode or payment.provider not in {None, SIMULATOR}:
        raise PaymentStateError("Only the outcome of a payment at the simulator can be set.")
    if payment.provider is None:
        raise PaymentStateError(f"The payment is {payment.status}, and no provider was asked for it.")
    is_open = payment.status in UNDER_WAY or (
        payment.status is not PaymentStatus.CANCELLED and may_succeed_late(payment)
    )
    if not is_open:
        raise PaymentStateError(f"The payment is {payment.status}: its outcome is decided.")

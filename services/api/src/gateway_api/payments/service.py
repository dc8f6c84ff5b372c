"""Creating and capturing payments: one transaction each, then the doorbell."""

from collections.abc import Sequence

from gateway_api.answers import Answer, answer
from gateway_api.auth import Caller
from gateway_api.idempotency import Attempt, Idempotency
from gateway_api.payments.schemas import CreatePayment
from gateway_common.clock import Clock
from gateway_common.db.database import Connection, Database
from gateway_common.db.gather import Gatherer
from gateway_common.events.model import EventType, new_event
from gateway_common.idempotency.model import in_progress
from gateway_common.ids import PAYMENT, new_id
from gateway_common.payments.model import Payment, PaymentStatus, decide_capture, payment_snapshot
from gateway_common.payments.store import (
    Inserted,
    Insertion,
    NewPayment,
    PaymentChange,
    get_payment,
    insert_payments,
    list_payments,
    save_payment,
)
from gateway_common.queue.ringer import Ringer

CREATED = 201
WAITING_MAX = 2_000
"""More creates than this are about a second's work: who comes then is better told to come again."""


class PaymentService:
    def __init__(self, database: Database, idempotency: Idempotency, ringer: Ringer, clock: Clock) -> None:
        self._database = database
        self._idempotency = idempotency
        self._ringer = ringer
        self._clock = clock
        self._creates = Gatherer(self._insert_batch, waiting_max=WAITING_MAX)

    async def create(self, caller: Caller, wanted: CreatePayment, attempt: Attempt | None, traceparent: str) -> Answer:
        """Store the payment as pending and answer. Payment, event, deliveries and kept answer are one statement,
        shared with the requests of the same moment.
        """
        now = self._clock()
        payment = Payment(
            id=new_id(PAYMENT, now),
            merchant_id=caller.merchant_id,
            livemode=caller.livemode,
            order_id=wanted.order_id,
            amount_minor=wanted.amount,
            currency=wanted.currency,
            method=wanted.method,
            vpa=wanted.vpa,
            description=wanted.description,
            metadata=wanted.metadata,
            capture_method=wanted.capture_method,
            created_at=now,
            updated_at=now,
            traceparent=traceparent,
        )
        snapshot = payment_snapshot(payment)
        event = new_event(
            EventType.PAYMENT_CREATED, snapshot, merchant_id=caller.merchant_id, now=now, traceparent=traceparent
        )
        given = answer(CREATED, snapshot)
        kept = self._idempotency.keep(attempt, given) if attempt else None
        inserted = await self._creates.submit(NewPayment(payment, event, kept))
        if inserted.insertion is Insertion.KEY_IN_PROGRESS:
            raise in_progress()
        if inserted.insertion is Insertion.KEY_TAKEN and attempt is not None:
            return await self._idempotency.replay(attempt)
        self._ringer.ring_payment(payment.id, traceparent)
        if inserted.deliveries:
            self._ringer.ring_webhooks()
        return given

    async def capture(
        self, caller: Caller, payment_id: str, amount_minor: int | None, attempt: Attempt | None
    ) -> Answer:
        """Decide the capture; the provider call is the processor's. Repeating it changes nothing."""
        decided: list[Payment] = []

        async def act(connection: Connection) -> Answer:
            payment = await get_payment(
                connection, payment_id, merchant_id=caller.merchant_id, livemode=caller.livemode, lock=True
            )
            captured = decide_capture(payment, amount_minor, self._clock())
            if captured is None:
                return answer(200, payment_snapshot(payment))
            await save_payment(connection, PaymentChange(before=payment, after=captured, due_in_seconds=0))
            decided.append(captured)
            return answer(200, payment_snapshot(captured))

        given = await self._idempotency.run(attempt, act)
        for payment in decided:
            self._ringer.ring_payment(payment.id, payment.traceparent)
        return given

    async def get(self, caller: Caller, payment_id: str) -> Payment:
        async with self._database.statement() as connection:
            return await get_payment(connection, payment_id, merchant_id=caller.merchant_id, livemode=caller.livemode)

    async def list(
        self,
        caller: Caller,
        *,
        limit: int,
        starting_after: str | None,
        status: PaymentStatus | None,
        order_id: str | None,
    ) -> list[Payment]:
        async with self._database.statement() as connection:
            return await list_payments(
                connection,
                merchant_id=caller.merchant_id,
                livemode=caller.livemode,
                limit=limit,
                starting_after=starting_after,
                status=status,
                order_id=order_id,
            )

    async def _insert_batch(self, batch: Sequence[NewPayment]) -> Sequence[Inserted]:
        async with self._database.statement() as connection:
            return await insert_payments(connection, batch)

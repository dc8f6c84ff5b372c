"""Creating refunds: reserved on the payment under its row lock, so that their sum can't pass what was captured."""

from datetime import datetime

from gateway_api.answers import CREATED, Answer, answer
from gateway_api.auth import Caller
from gateway_api.idempotency import Attempt, Idempotency
from gateway_api.refunds.schemas import CreateRefund
from gateway_common.clock import Clock
from gateway_common.db.database import Connection, Database
from gateway_common.events.model import EventType
from gateway_common.events.store import insert_events
from gateway_common.ids import REFUND, new_id
from gateway_common.payments.model import Payment
from gateway_common.payments.store import PaymentChange, get_payment, save_payment
from gateway_common.queue.ringer import Ringer
from gateway_common.refunds.model import Refund, RefundStatus, decide_refund, post_hold, refund_event, refund_snapshot
from gateway_common.refunds.store import get_refund, insert_refund, list_refunds


class RefundService:
    def __init__(self, database: Database, idempotency: Idempotency, ringer: Ringer, clock: Clock) -> None:
        self._database = database
        self._idempotency = idempotency
        self._ringer = ringer
        self._clock = clock

    async def create(self, caller: Caller, payment_id: str, wanted: CreateRefund, attempt: Attempt | None) -> Answer:
        """Reserve and store the refund as pending; the provider call is the processor's."""
        to_ring: list[Payment] = []
        deliveries = 0

        async def act(connection: Connection) -> Answer:
            nonlocal deliveries
            payment = await get_payment(
                connection, payment_id, merchant_id=caller.merchant_id, livemode=caller.livemode, lock=True
            )
            refund, reserved = self._decide(payment, wanted)
            # The work is the payment's: one lease runs its capture and its refunds one at a time, in order.
            await insert_refund(connection, refund)
            change = PaymentChange(
                before=payment, after=reserved, postings=(post_hold(refund, refund.created_at),), due_in_seconds=0
            )
            await save_payment(connection, change)
            event = refund_event(EventType.REFUND_CREATED, refund, refund.created_at, payment.traceparent)
            deliveries = await insert_events(connection, [event])
            to_ring.append(reserved)
            return answer(CREATED, refund_snapshot(refund))

        given = await self._idempotency.run(attempt, act)
        for payment in to_ring:
            self._ringer.ring_payment(payment.id, payment.traceparent)
        if deliveries:
            self._ringer.ring_webhooks()
        return given

    def _decide(self, payment: Payment, wanted: CreateRefund) -> tuple[Refund, Payment]:
        now = self._clock()
        reserved, amount_minor = decide_refund(payment, wanted.amount, now)
        refund = Refund(
            id=new_id(REFUND, now),
            payment_id=payment.id,
            merchant_id=payment.merchant_id,
            livemode=payment.livemode,
            amount_minor=amount_minor,
            currency=payment.currency,
            reason=wanted.reason,
            metadata=wanted.metadata,
            created_at=now,
            updated_at=now,
        )
        return refund, reserved

    async def get(self, caller: Caller, refund_id: str) -> Refund:
        async with self._database.statement() as connection:
            return await get_refund(connection, refund_id, merchant_id=caller.merchant_id, livemode=caller.livemode)

    async def list(
        self,
        caller: Caller,
        *,
        limit: int,
        starting_after: str | None,
        payment_id: str | None = None,
        status: RefundStatus | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
    ) -> list[Refund]:
        """A page of refunds, of one payment if asked; NotFoundError if that payment is not the caller's."""
        async with self._database.statement() as connection:
            if payment_id is not None:
                await get_payment(connection, payment_id, merchant_id=caller.merchant_id, livemode=caller.livemode)
            return await list_refunds(
                connection,
                merchant_id=caller.merchant_id,
                livemode=caller.livemode,
                limit=limit,
                starting_after=starting_after,
                payment_id=payment_id,
                status=status,
                created_from=created_from,
                created_to=created_to,
            )

"""What a merchant does with payments: one transaction each, then the doorbell."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from gateway_api.answers import CREATED, Answer, answer
from gateway_api.auth import Caller
from gateway_api.idempotency import Attempt, Idempotency
from gateway_api.payments.card import seal_card
from gateway_api.payments.schemas import (
    CreateCardPayment,
    CreateNetbankingPayment,
    CreatePayment,
    CreateUpiCollectPayment,
    CreateUpiFlowPayment,
    CreateWalletPayment,
)
from gateway_common.clock import Clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Connection, Database
from gateway_common.db.gather import Gatherer
from gateway_common.errors import OrderBusyError, UnprocessableError
from gateway_common.events.model import Event, EventType
from gateway_common.idempotency.model import in_progress
from gateway_common.ids import PAYMENT, new_id
from gateway_common.orders.model import check_match, check_payable, release_order
from gateway_common.orders.store import find_order, lock_order, save_order
from gateway_common.payments.cards import card_summary, is_past
from gateway_common.payments.create_store import Inserted, Insertion, NewPayment, insert_payments
from gateway_common.payments.endings import decide_cancel
from gateway_common.payments.model import (
    Payment,
    PaymentMethod,
    PaymentStatus,
    decide_capture,
    next_due_seconds,
    payment_event,
    payment_snapshot,
)
from gateway_common.payments.store import PaymentChange, get_payment, list_payments, save_payment
from gateway_common.providers.book import RouteBook
from gateway_common.providers.model import check_served
from gateway_common.queue.ringer import Ringer

WAITING_MAX = 2_000
"""More creates than this are about a second's work: who comes then is better told to come again."""


class PaymentService:
    def __init__(
        self, database: Database, idempotency: Idempotency, ringer: Ringer, keyring: Keyring, clock: Clock
    ) -> None:
        self._database = database
        self._routes = RouteBook(database)
        self._idempotency = idempotency
        self._ringer = ringer
        self._keyring = keyring
        self._clock = clock
        self._creates = Gatherer(self._insert_batch, waiting_max=WAITING_MAX)

    async def create(self, caller: Caller, wanted: CreatePayment, attempt: Attempt | None, traceparent: str) -> Answer:
        """Store the payment as pending and answer. All that belongs to it is one statement, shared with the requests
        of the same moment.
        """
        method = PaymentMethod(wanted.method)
        providers = await self._routes.find(merchant_id=caller.merchant_id, livemode=caller.livemode, method=method)
        check_served(providers, livemode=caller.livemode, method=method)
        payment = self._new_payment(caller, wanted, traceparent)
        snapshot = payment_snapshot(payment)
        event = payment_event(EventType.PAYMENT_CREATED, payment, payment.created_at, snapshot=snapshot)
        given = answer(CREATED, snapshot)
        kept = self._idempotency.keep(attempt, given) if attempt else None
        card = None
        if isinstance(wanted, CreateCardPayment):
            if is_past(wanted.card.exp_month, wanted.card.exp_year, payment.created_at):
                return await self._card_expired(attempt)
            card = seal_card(self._keyring, wanted.card.card(), payment.id)
        inserted = await self._creates.submit(NewPayment(payment, event, kept, card))
        if inserted.insertion is not Insertion.CREATED:
            return await self._not_created(inserted.insertion, payment, attempt)
        self._ringer.ring_payment(payment.id, traceparent)
        if inserted.deliveries:
            self._ringer.ring_webhooks()
        return given

    def _new_payment(self, caller: Caller, wanted: CreatePayment, traceparent: str) -> Payment:
        now = self._clock()
        return Payment(
            id=new_id(PAYMENT, now),
            merchant_id=caller.merchant_id,
            livemode=caller.livemode,
            order_id=wanted.order_id,
            amount_minor=wanted.amount,
            currency=wanted.currency,
            method=wanted.method,
            method_details=_method_details(wanted),
            vpa=wanted.vpa if isinstance(wanted, CreateUpiCollectPayment) else None,
            description=wanted.description,
            metadata=wanted.metadata,
            capture_method=wanted.capture_method,
            fee_basis_points=caller.fee_basis_points,
            created_at=now,
            updated_at=now,
            traceparent=traceparent,
        )

    async def _card_expired(self, attempt: Attempt | None) -> Answer:
        """The answer given before to this very request, while the card was good; UnprocessableError without one."""
        given = await self._idempotency.find(attempt) if attempt else None
        if given is None:
            raise UnprocessableError("card.exp_year: the card has expired.", param="card.exp_year")
        return given

    async def _not_created(self, insertion: Insertion, payment: Payment, attempt: Attempt | None) -> Answer:
        """The answer given before to this very request, or the reason why there is none."""
        if insertion is Insertion.KEY_IN_PROGRESS:
            raise in_progress()
        # A repeated request finds its order taken by the payment that the first one made: its key goes first.
        given = await self._idempotency.find(attempt) if attempt else None
        if given is not None:
            return given
        if insertion is Insertion.KEY_TAKEN:
            # Stored when the statement ran, gone when it was read: it was purged, or is being so.
            raise in_progress()
        async with self._database.statement() as connection:
            order = await find_order(
                connection, payment.order_id or "", merchant_id=payment.merchant_id, livemode=payment.livemode
            )
        if order is not None:
            check_match(order, amount_minor=payment.amount_minor, currency=payment.currency)
            check_payable(order)
        raise OrderBusyError("The order is being changed at this moment. Try again.", param="order_id")

    async def capture(
        self, caller: Caller, payment_id: str, amount_minor: int | None, attempt: Attempt | None
    ) -> Answer:
        """Decide the capture; the provider call is the processor's. Repeating it changes nothing."""
        return await self._decide(
            caller, payment_id, attempt, lambda payment, now: decide_capture(payment, amount_minor, now)
        )

    async def cancel(self, caller: Caller, payment_id: str, attempt: Attempt | None) -> Answer:
        """Cancel the payment and free its order; giving an authorization back is the processor's."""
        return await self._decide(caller, payment_id, attempt, decide_cancel)

    async def _decide(
        self,
        caller: Caller,
        payment_id: str,
        attempt: Attempt | None,
        rule: Callable[[Payment, datetime], Payment | None],
    ) -> Answer:
        """Apply a rule to the payment under its lock; a rule that answers None changes nothing."""
        decided: list[Payment] = []

        async def act(connection: Connection) -> Answer:
            payment = await get_payment(
                connection, payment_id, merchant_id=caller.merchant_id, livemode=caller.livemode, lock=True
            )
            now = self._clock()
            after = rule(payment, now)
            if after is None:
                return answer(200, payment_snapshot(payment))
            await self._save(connection, payment, after, now)
            decided.append(after)
            return answer(200, payment_snapshot(after))

        given = await self._idempotency.run(attempt, act)
        for payment in decided:
            self._ringer.ring_payment(payment.id, payment.traceparent)
            self._ringer.ring_webhooks()
        return given

    async def _save(self, connection: Connection, before: Payment, after: Payment, now: datetime) -> None:
        events: tuple[Event, ...] = ()
        if after.status is PaymentStatus.CANCELLED:
            events = (payment_event(EventType.PAYMENT_CANCELLED, after, now),)
        change = PaymentChange(before=before, after=after, events=events, due_in_seconds=next_due_seconds(after, now))
        await save_payment(connection, change)
        if after.status is PaymentStatus.CANCELLED and after.bound_order_id is not None:
            released = release_order(await lock_order(connection, after.bound_order_id), after.id, now)
            if released is not None:
                await save_order(connection, released)

    async def get(self, caller: Caller, payment_id: str) -> Payment:
        async with self._database.statement() as connection:
            return await get_payment(connection, payment_id, merchant_id=caller.merchant_id, livemode=caller.livemode)

    async def list(
        self,
        caller: Caller,
        *,
        limit: int,
        starting_after: str | None,
        status: PaymentStatus | None = None,
        order_id: str | None = None,
        method: PaymentMethod | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
    ) -> list[Payment]:
        """A page of payments. An order's id or reference finds all payments of that order, however they named it."""
        async with self._database.statement() as connection:
            scope: dict[str, Any] = {"merchant_id": caller.merchant_id, "livemode": caller.livemode}
            order = await find_order(connection, order_id, **scope) if order_id is not None else None
            return await list_payments(
                connection,
                **scope,
                limit=limit,
                starting_after=starting_after,
                status=status,
                order_id=order_id,
                bound_order_id=order.id if order is not None else None,
                method=method,
                created_from=created_from,
                created_to=created_to,
            )

    async def _insert_batch(self, batch: Sequence[NewPayment]) -> Sequence[Inserted]:
        async with self._database.statement() as connection:
            return await insert_payments(connection, batch)


def _method_details(wanted: CreatePayment) -> dict[str, Any]:
    match wanted:
        case CreateUpiCollectPayment() | CreateUpiFlowPayment():
            return {"flow": wanted.upi.flow}
        case CreateCardPayment():
            return card_summary(wanted.card.card())
        case CreateNetbankingPayment():
            return {"bank": wanted.bank}
        case CreateWalletPayment():
            return {"wallet": wanted.wallet}

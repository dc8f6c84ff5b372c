"""Takes the lease of a payment's next operation, and with it all that its provider has to know."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway_common.clock import Clock
from gateway_common.crypto import Keyring, SealBrokenError
from gateway_common.db.database import Database
from gateway_common.db.gather import Gatherer
from gateway_common.events.model import EventType
from gateway_common.logs import get_logger
from gateway_common.payments import model
from gateway_common.payments.cards import Card, parse_card, seal_context
from gateway_common.payments.model import Operation, Payment, PaymentMethod, PaymentStatus, next_operation
from gateway_common.payments.queue_store import Saved, claim_payments
from gateway_common.payments.store import PaymentChange, find_sealed_card
from gateway_common.queue.ringer import Ringer
from gateway_common.refunds import model as refunds
from gateway_common.refunds.model import Refund, RefundStatus
from gateway_common.refunds.store import list_open_refunds, save_refund
from gateway_processor.providers.registry import Providers
from gateway_processor.steps import OnStep, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A payment under our lease, and what to ask the provider. `payment.attempt` is the fence."""

    payment: Payment
    operation: Operation
    at: datetime
    refund: Refund | None = None
    card: Card | None = None

    @property
    def lacks_card(self) -> bool:
        """Whether it is a card payment whose card can't be read: there is nothing to ask a provider with."""
        return self.payment.method == PaymentMethod.CARD and self.card is None

    @property
    def is_first_try(self) -> bool:
        """Whether this provider was certainly never asked for this before."""
        return self.payment.operation_attempt == 1 and self.operation is not Operation.INQUIRE

    @property
    def provider(self) -> str:
        """Who is asked: a claim for which there is nobody is not made."""
        if self.payment.provider is None:
            raise LookupError(f"{self.payment.id} was claimed without a provider")
        return self.payment.provider


class Claimer:
    """Claims payments for one worker. Claims of the same moment are gathered into one statement."""

    def __init__(
        self,
        database: Database,
        providers: Providers,
        ringer: Ringer,
        keyring: Keyring,
        *,
        worker_id: str,
        clock: Clock,
        on_step: OnStep,
    ) -> None:
        self._database = database
        self._providers = providers
        self._ringer = ringer
        self._keyring = keyring
        self._worker_id = worker_id
        self._clock = clock
        self._on_step = on_step
        self._claims = Gatherer(self._claim_batch)
        self._log = get_logger()

    async def claim(self, payment: Payment) -> Claimed | None:
        """Take the lease and say what to do under it; None if there is nothing to ask a provider, or it is somebody
        else's. NoProviderError if there is nobody to ask.
        """
        operation = next_operation(payment)
        if operation is None or operation is Operation.EXPIRE:
            return None
        provider = payment.provider or await self._providers.choose(payment)
        # Before the claim: a card that can't be read now must not cost the time of a lease.
        card = await self._open_card(payment) if operation is Operation.AUTHORIZE else None
        now = self._clock()
        change = self._change(payment, provider, now)
        self._on_step(operation, Step.CLAIMING, change.after)
        refund = None
        if operation is Operation.REFUND:
            refund = await self._claim_refund(change, now)
            applied = refund is not None
        else:
            saved = await self._claims.submit(change)
            applied = saved.applied
            if saved.deliveries:
                self._ringer.ring_webhooks()
        if not applied:
            return None
        self._on_step(operation, Step.CLAIMED, change.after)
        return Claimed(payment=change.after, operation=operation, at=now, refund=refund, card=card)

    def _change(self, before: Payment, provider: str, now: datetime) -> PaymentChange:
        after = replace(
            before, provider=provider, attempt=before.attempt + 1, operation_attempt=before.operation_attempt + 1
        )
        if before.status is PaymentStatus.PENDING:
            after = model.move(after, PaymentStatus.PROCESSING, now)
        events = (
            () if after.version == before.version else (model.payment_event(EventType.PAYMENT_PROCESSING, after, now),)
        )
        return PaymentChange(before=before, after=after, events=events, worker_id=self._worker_id)

    async def _open_card(self, payment: Payment) -> Card | None:
        if payment.method != PaymentMethod.CARD:
            return None
        async with self._database.statement() as connection:
            sealed = await find_sealed_card(connection, payment.id)
        if sealed is None:
            return None
        try:
            return parse_card(self._keyring.unseal(sealed, context=seal_context(payment.id)))
        except SealBrokenError as error:
            self._log.error("card.unreadable", payment_id=payment.id, error=str(error))
            return None

    async def _claim_refund(self, change: PaymentChange, now: datetime) -> Refund | None:
        async with self._database.transaction() as connection:
            [saved] = await claim_payments(connection, [change])
            if not saved.applied:
                return None
            refund = (await list_open_refunds(connection, change.after.id))[0]
            if refund.status is RefundStatus.PENDING:
                refund = refunds.move(refund, RefundStatus.PROCESSING, now)
                await save_refund(connection, refund)
            self._on_step(Operation.REFUND, Step.CLAIM_COMMITTING, change.after)
        return refund

    async def _claim_batch(self, changes: Sequence[PaymentChange]) -> list[Saved]:
        async with self._database.statement() as connection:
            return await claim_payments(connection, changes)

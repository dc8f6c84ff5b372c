"""The simulated provider: answers by the values in the request, after a few seconds, and keeps an account of its own.

It enters a request into its account before it answers, as a real provider does: a caller that dies while waiting finds
the outcome by `status`.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from gateway_common.db.database import Database
from gateway_common.db.gather import Gatherer
from gateway_common.simulator.model import (
    OperationKind,
    SimulatedOperation,
    SimulatedOutcome,
    SimulatorPlan,
    decide_operation,
)
from gateway_common.simulator.store import find_operations, save_operations
from gateway_processor.providers.base import Approved, Declined, Missing, Outcome, Pending, ProviderRequest

_MESSAGES: Final = {
    SimulatedOutcome.PAYMENT_DECLINED: "The customer's bank declined the payment.",
    SimulatedOutcome.INSUFFICIENT_FUNDS: "The customer's account does not hold enough money.",
    SimulatedOutcome.EXPIRED_CARD: "The card has expired.",
    SimulatedOutcome.REFUND_FAILED: "The customer's bank did not take the refund.",
}


class Simulator:
    """A provider whose every answer a test can choose. Refuses nothing else: it is for test mode."""

    name = "simulator"

    def __init__(self, database: Database, plan: SimulatorPlan) -> None:
        self._database = database
        self._plan = plan
        self._saves = Gatherer(self._save)
        self._finds = Gatherer(self._find)

    async def authorize(self, request: ProviderRequest) -> Outcome:
        if request.livemode:
            return Declined("no_provider", "The simulator takes no live payment: nothing was charged.")
        return await self._perform(OperationKind.AUTHORIZE, request)

    async def capture(self, request: ProviderRequest) -> Outcome:
        return await self._perform(OperationKind.CAPTURE, request)

    async def void(self, request: ProviderRequest) -> Outcome:
        return await self._perform(OperationKind.VOID, request)

    async def refund(self, request: ProviderRequest) -> Outcome:
        return await self._perform(OperationKind.REFUND, request)

    async def status(self, request: ProviderRequest) -> Outcome | Missing:
        operation = await self._finds.submit(request.key)
        if operation is None:
            return Missing()
        if operation.ready_in_seconds is None or operation.ready_in_seconds > 0:
            return Pending(check_in_seconds=operation.ready_in_seconds)
        return _outcome(operation)

    async def _perform(self, kind: OperationKind, request: ProviderRequest) -> Outcome:
        operation = await self._saves.submit(
            decide_operation(
                self._plan,
                key=request.key,
                kind=kind,
                payment_id=request.payment_id,
                amount_minor=request.amount_minor,
                currency=request.currency,
                vpa=request.vpa,
                card_number=request.card.number if request.card else None,
            )
        )
        if not operation.answers:
            # Silence: the caller's deadline ends it.
            await asyncio.get_running_loop().create_future()
        if operation.ready_in_seconds is None:
            return Pending()
        await asyncio.sleep(operation.ready_in_seconds)
        return _outcome(operation)

    async def _save(self, operations: Sequence[SimulatedOperation]) -> list[SimulatedOperation]:
        async with self._database.statement() as connection:
            return await save_operations(connection, operations)

    async def _find(self, keys: Sequence[str]) -> list[SimulatedOperation | None]:
        async with self._database.statement() as connection:
            return await find_operations(connection, keys)


def _outcome(operation: SimulatedOperation) -> Outcome:
    if operation.outcome is SimulatedOutcome.APPROVED:
        return Approved()
    return Declined(code=operation.outcome.value, message=_MESSAGES[operation.outcome])

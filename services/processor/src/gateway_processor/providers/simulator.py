"""The simulated provider: answers by the values in the request, after a few seconds, and keeps an account of its own.

It enters a request into its account before it answers, as a real provider does: a caller that dies while waiting finds
the outcome by `status`. Whoever pays by UPI intent or QR is waited for outside the call.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from gateway_common.clock import Clock, format_time, system_clock
from gateway_common.db.database import Database
from gateway_common.db.gather import Gatherer
from gateway_common.payments.model import PaymentMethod
from gateway_common.payments.upi import format_upi_link, render_qr_svg
from gateway_common.providers.model import SIMULATOR
from gateway_common.simulator.faults import RequestFault, draw_request_fault
from gateway_common.simulator.model import (
    CASE,
    Asked,
    OperationKind,
    SimulatedOperation,
    SimulatedOutcome,
    SimulatorPlan,
    decide_operation,
)
from gateway_common.simulator.store import find_operations, find_payee, save_operations
from gateway_processor.providers.base import (
    Approved,
    Declined,
    Expired,
    Missing,
    Outcome,
    Pending,
    ProviderRequest,
    Unknown,
)

DEFAULT_PUBLIC_URL: Final = "http://localhost:8000"
PAYEE_VPA: Final = "shop@simulator"
_APP_ACTIONS: Final = {"intent": "upi_intent", "qr": "upi_qr"}
_MESSAGES: Final = {
    SimulatedOutcome.PAYMENT_DECLINED: "The customer's bank declined the payment.",
    SimulatedOutcome.INSUFFICIENT_FUNDS: "The customer's account does not hold enough money.",
    SimulatedOutcome.EXPIRED_CARD: "The card has expired.",
    SimulatedOutcome.REFUND_FAILED: "The customer's bank did not take the refund.",
}


class Simulator:
    """A provider whose every answer a test can choose. Refuses nothing else: it is for test mode."""

    name = SIMULATOR

    def __init__(
        self,
        database: Database,
        plan: SimulatorPlan,
        *,
        public_url: str = DEFAULT_PUBLIC_URL,
        clock: Clock = system_clock,
    ) -> None:
        self._database = database
        self._plan = plan
        self._public_url = public_url.rstrip("/")
        self._clock = clock
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
        if operation.is_ready:
            return _outcome(operation.outcome)
        if operation.expires_at is not None:
            return await self._wait_for_app(request, operation)
        return Pending(check_in_seconds=operation.ready_in_seconds)

    async def _perform(self, kind: OperationKind, request: ProviderRequest) -> Outcome:
        asked = self._asked(kind, request)
        operation = await self._saves.submit(decide_operation(self._plan, asked))
        fault = draw_request_fault(self._plan.faults, seed=self._plan.seed, name=asked.name, number=operation.asked)
        if fault is RequestFault.NO_ANSWER or (fault is None and not operation.answers):
            # Silence: the caller's deadline ends it.
            await asyncio.get_running_loop().create_future()
        if fault is not None:
            return Unknown("500" if fault is RequestFault.ERROR else "the connection broke before the answer")
        if operation.expires_at is not None and not (operation.is_ready and operation.requests > 1):
            return await self._wait_for_app(request, operation)
        if operation.ready_in_seconds is None:
            return Pending()
        if not operation.is_ready:
            await asyncio.sleep(operation.ready_in_seconds)
            if kind is OperationKind.AUTHORIZE:
                # A tester may have decided otherwise in the meantime.
                operation = await self._finds.submit(request.key) or operation
        return _outcome(operation.outcome)

    def _asked(self, kind: OperationKind, request: ProviderRequest) -> Asked:
        asks_app = (
            kind is OperationKind.AUTHORIZE
            and request.method == PaymentMethod.UPI
            and request.method_details.get("flow") in _APP_ACTIONS
        )
        return Asked(
            key=request.key,
            kind=kind,
            payment_id=request.payment_id,
            amount_minor=request.amount_minor,
            currency=request.currency,
            vpa=request.vpa,
            card_number=request.card.number if request.card else None,
            expires_at=self._clock() + timedelta(seconds=self._plan.upi_ttl_seconds) if asks_app else None,
            case=request.metadata.get(CASE),
        )

    async def _wait_for_app(self, request: ProviderRequest, operation: SimulatedOperation) -> Pending:
        """What the customer's app needs, and until when it is waited for."""
        assert operation.expires_at is not None  # noqa: S101 -- that is how the caller knows that an app is asked.
        async with self._database.statement() as connection:
            payee_name = await find_payee(connection, request.payment_id) or "Test merchant"
        link = format_upi_link(
            payee_vpa=PAYEE_VPA,
            payee_name=payee_name,
            reference=request.payment_id,
            amount_minor=request.amount_minor,
            currency=request.currency,
        )
        next_action = {
            "type": _APP_ACTIONS[request.method_details["flow"]],
            "upi_link": link,
            "qr_svg": await asyncio.to_thread(render_qr_svg, link),
            "expires_at": format_time(operation.expires_at),
            "simulator_url": f"{self._public_url}/test/bank/{request.payment_id}",
        }
        return Pending(
            check_in_seconds=operation.ready_in_seconds, next_action=next_action, expires_at=operation.expires_at
        )

    async def _save(self, operations: Sequence[SimulatedOperation]) -> list[SimulatedOperation]:
        async with self._database.statement() as connection:
            return await save_operations(connection, operations)

    async def _find(self, keys: Sequence[str]) -> list[SimulatedOperation | None]:
        async with self._database.statement() as connection:
            return await find_operations(connection, keys)


def _outcome(outcome: SimulatedOutcome) -> Outcome:
    match outcome:
        case SimulatedOutcome.APPROVED:
            return Approved()
        case SimulatedOutcome.EXPIRED | SimulatedOutcome.WITHDRAWN:
            return Expired()
        case _:
            return Declined(code=outcome.value, message=_MESSAGES[outcome])

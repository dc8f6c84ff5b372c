"""The test merchant, who uses the API's services directly: the same transactions as over HTTP, without the HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import TypeAdapter
from tests.support.doorbell import bell

from gateway_api.auth import Caller
from gateway_api.idempotency import Idempotency
from gateway_api.payments.schemas import CreatePayment
from gateway_api.payments.service import PaymentService
from gateway_api.refunds.schemas import CreateRefund
from gateway_api.refunds.service import RefundService
from gateway_common.clock import Clock, system_clock
from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.merchants.model import ALL_SCOPES
from gateway_common.merchants.seed import TEST_KEY, TEST_MERCHANT_ID
from gateway_common.queue.ringer import Ringer
from gateway_common.telemetry import new_traceparent

NEW_PAYMENT: TypeAdapter[CreatePayment] = TypeAdapter(CreatePayment)


class Merchant:
    """Creates, captures and refunds. Rings wait in the ringer it is given."""

    def __init__(self, database: Database, keyring: Keyring, ringer: Ringer, *, clock: Clock = system_clock) -> None:
        idempotency = Idempotency(database, keyring, clock)
        self._caller = Caller(
            TEST_MERCHANT_ID,
            "Test Merchant",
            livemode=False,
            key_id=TEST_KEY,
            scopes=ALL_SCOPES,
            fee_basis_points=0,
        )
        self._payments = PaymentService(database, idempotency, ringer, keyring, clock)
        self._refunds = RefundService(database, idempotency, ringer, clock)

    async def create(self, **values: Any) -> str:
        """Create a payment by UPI and return its id."""
        return await self.create_by(**{"method": "upi", "vpa": "test@upi"} | values)

    async def create_by(self, **values: Any) -> str:
        """Create a payment by the method that is given, with all that it needs, and return its id."""
        wanted = NEW_PAYMENT.validate_python({"amount": 50_000, "currency": "INR"} | values)
        given = await self._payments.create(self._caller, wanted, None, new_traceparent())
        return str(json.loads(given.body)["id"])

    async def capture(self, payment_id: str, amount: int | None = None) -> None:
        await self._payments.capture(self._caller, payment_id, amount, None)

    async def cancel(self, payment_id: str) -> None:
        await self._payments.cancel(self._caller, payment_id, None)

    async def refund(self, payment_id: str, amount: int | None = None) -> str:
        """Ask for a refund and return its id."""
        given = await self._refunds.create(self._caller, payment_id, CreateRefund(amount=amount), None)
        return str(json.loads(given.body)["id"])


@asynccontextmanager
async def ringing_merchant(database: Database, keyring: Keyring, url: str) -> AsyncIterator[Merchant]:
    """The test merchant behind an API whose rings are sent, if they can be."""
    async with bell(url) as broker:
        ringer, stop = Ringer(broker, broker), asyncio.Event()
        ringing = asyncio.create_task(ringer.run(stop))
        yield Merchant(database, keyring, ringer)
        stop.set()
        await ringing

"""The real API and the real processor on a real database, driven step by step from code that is not asynchronous."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime
from itertools import count
from typing import Any, Final

import httpx
from tests.support.api import Api, running_api
from tests.support.callbacks import call_back
from tests.support.doorbell import bell
from tests.support.gateway_words import DECLINED, REQUEST_LASTS, TO_DO, Request
from tests.support.processing import new_processor
from tests.support.providers import ScriptedProvider
from tests.support.records import free_leases, make_due, number_all_events, read_audit, read_rows, write_rows

from gateway_common.clock import system_clock
from gateway_common.queue.messages import WEBHOOKS_STREAM
from gateway_common.queue.ringer import Ringer
from gateway_processor.callbacks import CallbackHandler
from gateway_processor.claims import Claimed
from gateway_processor.providers.base import (
    Approved,
    Declined,
    Expired,
    Missing,
    Outcome,
    Pending,
    Unknown,
    Unreachable,
)

ANSWERS: Final[dict[str, Outcome]] = {
    "approved": Approved(),
    "declined": Declined(DECLINED["code"], DECLINED["message"]),
    "pending": Pending(check_in_seconds=1),
    "unknown": Unknown("the line went dead"),
    "expired": Expired(),
    "unreachable": Unreachable("nobody listens"),
}


class StandingClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = system_clock()

    def __call__(self) -> datetime:
        return self.now


class DrivenGateway:
    """One gateway for many merchants. Business time is the clock's, which only the driver sets."""

    def __init__(self, runner: asyncio.Runner, api: Api, ringer: Ringer, clock: StandingClock) -> None:
        self.clock = clock
        self.provider = ScriptedProvider()
        self._runner = runner
        self._api = api
        self._processor = new_processor(api.database, ringer, self.provider, clock=clock)
        self._callbacks = CallbackHandler(api.database, ringer, clock)
        self._numbers = count(1)
        self._keys: dict[str, str] = {}
        self._merchant_id = ""

    def start_merchant(self, fee_basis_points: int) -> None:
        """Go on as a new merchant, who has nothing yet."""
        self._merchant_id = f"mer_{next(self._numbers)}"
        self._keys = self._runner.run(self._new_merchant(fee_basis_points))

    async def _new_merchant(self, fee_basis_points: int) -> dict[str, str]:
        merchant_id = self._merchant_id
        # Before its key, for afterwards the services may not say what a merchant pays.
        statement = "INSERT INTO merchants (id, name, created_at, fee_basis_points) VALUES (:id, 'Shop', now(), :fee)"
        await write_rows(self._api.database, statement, fee=fee_basis_points, id=merchant_id)
        return await self._api.add_key(f"key_test_{merchant_id}", merchant_id, "a secret of the test")

    def post(self, request: Request) -> httpx.Response:
        headers = self._keys | ({"Idempotency-Key": request.key} if request.key else {})
        return self._runner.run(self._api.client.post(request.path, json=request.body, headers=headers))

    def read(self, *paths: str) -> list[Any]:
        """What the API shows at these paths, asked all at once."""
        return self._runner.run(self._read(paths))

    async def _read(self, paths: tuple[str, ...]) -> list[Any]:
        asking = (self._api.client.get(f"/api/v1{path}", headers=self._keys) for path in paths)
        responses = await asyncio.gather(*asking)
        for path, response in zip(paths, responses, strict=True):
            assert response.status_code == 200, f"GET {path}: {response.status_code} {response.text}"
        return [response.json() for response in responses]

    def read_all_events(self) -> list[Any]:
        """The merchant's numbered events, page by page as a merchant catches up."""
        found: list[Any] = []
        while True:
            behind = found[-1]["sequence"] if found else 0
            (page,) = self.read(f"/events?limit=100&after_sequence={behind}")
            found += page["data"]
            if not page["has_more"]:
                return found

    def due_payments(self) -> set[str]:
        """The merchant's payments that a worker is to look at, now or later."""
        query = "SELECT id FROM payments WHERE merchant_id = :id AND due_at IS NOT NULL"
        rows = self._runner.run(read_rows(self._api.database, query, id=self._merchant_id))
        return {row["id"] for row in rows}

    def take(self, payment_id: str) -> Claimed | None:
        """A worker takes the payment, its time having come."""
        return self._runner.run(self._take(payment_id))

    async def _take(self, payment_id: str) -> Claimed | None:
        await make_due(self._api.database, payment_id)
        claimed = await self._processor.claim(payment_id)
        if claimed is None:
            # Nothing to lease may still be an authorization to end.
            await self._processor.process(payment_id)
        return claimed

    def conclude(self, claimed: Claimed, answer: str, *, is_known: bool) -> bool:
        """The worker asks the provider and writes down the answer. `is_known`: the provider was asked before."""
        if not (is_known or claimed.is_first_try):
            self.provider.answer(Missing())
        self.provider.answer(ANSWERS.get(answer) or _waiting_for_customer(claimed))
        return self._runner.run(self._conclude(claimed))

    async def _conclude(self, claimed: Claimed) -> bool:
        return await self._processor.record(claimed, await self._processor.call(claimed))

    def call_back(self, payment_id: str) -> None:
        """The provider calls about the payment, twice, and a worker looks at what it called about."""
        self._runner.run(self._call_back(payment_id))

    async def _call_back(self, payment_id: str) -> None:
        for _ in range(2):
            await call_back(self._api.database, payment_id)
        await self._callbacks.handle()

    def drop_leases(self) -> None:
        """Every worker died, and the sweeper noticed."""
        self._runner.run(free_leases(self._api.database))

    def number_events(self) -> None:
        """Give every event its number, a few at a time."""
        self._runner.run(number_all_events(self._api.database, at_once=7))

    def audit(self) -> list[str]:
        """What the audit finds wrong with any merchant."""
        return self._runner.run(read_audit(self._api.database))


def _waiting_for_customer(claimed: Claimed) -> Outcome:
    """The provider asked the customer, and waits as long from the beginning as it always does."""
    expires_at = claimed.payment.created_at + REQUEST_LASTS
    return Pending(check_in_seconds=1, next_action=TO_DO, expires_at=expires_at)


@contextmanager
def driven_gateway(database_url: str, redis_url: str, master_key: str) -> Iterator[DrivenGateway]:
    """Run a gateway in a loop of its own, which turns only while it is asked for something."""
    clock, stack = StandingClock(), AsyncExitStack()

    async def start(runner: asyncio.Runner) -> DrivenGateway:
        api = await stack.enter_async_context(running_api(database_url, redis_url, master_key, clock=clock))
        payments = await stack.enter_async_context(bell(redis_url))
        webhooks = await stack.enter_async_context(bell(redis_url, WEBHOOKS_STREAM))
        return DrivenGateway(runner, api, Ringer(payments, webhooks), clock)

    with asyncio.Runner() as runner:
        try:
            yield runner.run(start(runner))
        finally:
            runner.run(stack.aclose())

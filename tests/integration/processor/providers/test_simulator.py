"""The simulator conforms to the port, and keeps the account by which other tests prove that nothing was done twice."""

import asyncio
from dataclasses import replace
from itertools import count

import pytest
from tests.integration.processor.providers.conformance import ProviderConformance, ask
from tests.support.processing import QUICK
from tests.support.records import read_simulator_requests

from gateway_common.clock import system_clock
from gateway_common.db.database import Database
from gateway_common.payments.model import Operation, PaymentMethod
from gateway_processor.providers.base import Approved, Declined, Pending, ProviderRequest
from gateway_processor.providers.simulator import Simulator

_numbers = count(1)


def new_request(vpa: str = "test@upi", amount_minor: int = 50_000) -> ProviderRequest:
    key = f"pay_1:authorize:{next(_numbers)}"
    return ProviderRequest(
        key=key,
        operation=Operation.AUTHORIZE,
        payment_id="pay_1",
        amount_minor=amount_minor,
        currency="INR",
        livemode=False,
        method=PaymentMethod.UPI,
        decided_at=system_clock(),
        timeout_seconds=20.0,
        vpa=vpa,
    )


@pytest.fixture
def provider(database: Database) -> Simulator:
    return Simulator(database, QUICK)


class TestSimulator(ProviderConformance):
    @pytest.fixture
    def request_to_approve(self) -> ProviderRequest:
        return new_request()

    @pytest.fixture
    def request_to_decline(self) -> ProviderRequest:
        return new_request("failure@upi")

    @pytest.fixture
    def request_without_answer(self) -> ProviderRequest:
        return new_request("timeout@upi")


async def test_every_request_is_counted_under_its_key(provider: Simulator, database: Database) -> None:
    request = new_request()

    await asyncio.gather(*(provider.authorize(request) for _ in range(4)))
    await provider.status(request)

    assert await read_simulator_requests(database, "pay_1") == {"authorize": 4}


async def test_it_takes_as_long_as_it_is_told_and_status_says_how_long_it_still_takes(database: Database) -> None:
    simulator = Simulator(database, replace(QUICK, delay_min_ms=600, delay_max_ms=600))
    request = new_request()
    loop = asyncio.get_running_loop()

    started = loop.time()
    asking = asyncio.create_task(simulator.authorize(request))
    await asyncio.sleep(0.3)
    pending = await simulator.status(request)
    await asking

    assert loop.time() - started >= 0.6
    assert isinstance(pending, Pending)
    assert pending.check_in_seconds is not None
    assert 0 < pending.check_in_seconds <= 0.35


async def test_a_pending_payment_stays_so_until_somebody_says_otherwise(provider: Simulator) -> None:
    request = new_request("pending@upi")

    assert await provider.authorize(request) == Pending()
    assert await provider.status(request) == Pending()


@pytest.mark.parametrize(("amount_minor", "code"), [(13, "refund_failed"), (1_013, "refund_failed"), (1_300, None)])
async def test_refunds_of_amounts_ending_in_13_fail(provider: Simulator, amount_minor: int, code: str | None) -> None:
    answer = await ask(provider, "refund", new_request(amount_minor=amount_minor))

    assert (answer.code if isinstance(answer, Declined) else None) == code
    assert await ask(provider, "capture", new_request(amount_minor=amount_minor)) == Approved()

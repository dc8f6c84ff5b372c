"""The simulator conforms to the port, and keeps the account by which other tests prove that nothing was done twice."""

import asyncio
import json
from dataclasses import replace
from itertools import count

import pytest
from tests.integration.processor.providers.conformance import (
    DEADLINE_SECONDS,
    ProviderConformance,
    ask,
    final_status,
)
from tests.support.processing import QUICK
from tests.support.records import read_rows, read_simulator_requests
from tests.support.waiting import wait_until

from gateway_common.clock import system_clock
from gateway_common.db.database import Database
from gateway_common.payments.model import Operation, PaymentMethod
from gateway_common.queue.ringer import Ringer
from gateway_common.simulator.faults import FaultPlan, refused_requests
from gateway_common.simulator.model import SimulatedOutcome
from gateway_common.simulator.store import settle_authorization
from gateway_processor.providers.base import (
    Approved,
    Declined,
    Expired,
    Missing,
    Pending,
    ProviderRequest,
    Unknown,
)
from gateway_processor.providers.simulator import Simulator
from gateway_processor.providers.simulator_callbacks import BATCH_MOST, SimulatorCallbacks

_numbers = count(1)


def new_request(vpa: str | None = "test@upi", amount_minor: int = 50_000) -> ProviderRequest:
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
    simulator = Simulator(database, replace(QUICK, delay_min_ms=900, delay_max_ms=900))
    request = new_request()
    loop = asyncio.get_running_loop()

    started = loop.time()
    asking = asyncio.create_task(simulator.authorize(request))
    await wait_until(lambda: is_entered(simulator, request))
    await asyncio.sleep(0.3)
    pending = await simulator.status(request)
    await asking

    assert loop.time() - started >= 0.9
    assert isinstance(pending, Pending)
    assert pending.check_in_seconds is not None
    assert 0 < pending.check_in_seconds <= 0.6


async def is_entered(provider: Simulator, request: ProviderRequest) -> bool:
    return await provider.status(request) != Missing()


async def test_a_pending_payment_stays_so_until_somebody_says_otherwise(provider: Simulator) -> None:
    request = new_request("pending@upi")

    assert await provider.authorize(request) == Pending()
    assert await provider.status(request) == Pending()


@pytest.mark.parametrize(("amount_minor", "code"), [(13, "refund_failed"), (1_013, "refund_failed"), (1_300, None)])
async def test_refunds_of_amounts_ending_in_13_fail(provider: Simulator, amount_minor: int, code: str | None) -> None:
    answer = await ask(provider, "refund", new_request(amount_minor=amount_minor))

    assert (answer.code if isinstance(answer, Declined) else None) == code
    assert await ask(provider, "capture", new_request(amount_minor=amount_minor)) == Approved()


async def test_a_live_payment_is_declined_and_nothing_is_entered(provider: Simulator, database: Database) -> None:
    answer = await ask(provider, "authorize", replace(new_request(), livemode=True))

    assert isinstance(answer, Declined)
    assert answer.code == "no_provider"
    assert await read_rows(database, "SELECT key FROM simulator_operations") == []


async def test_a_customer_who_does_not_answer_lets_the_request_expire(provider: Simulator) -> None:
    request = new_request("expired@upi")

    assert await ask(provider, "authorize", request) == Expired()
    assert await provider.status(request) == Expired()


async def test_copies_of_a_callback_name_the_same_event_and_are_stored_once(database: Database, ringer: Ringer) -> None:
    simulator = Simulator(database, replace(QUICK, faults=FaultPlan(duplicate_callback=1.0)))
    request = new_request()
    await ask(simulator, "authorize", request)

    await asyncio.gather(*(SimulatorCallbacks(database, ringer, system_clock).send() for _ in range(3)))

    assert await read_callbacks(database) == [(f"{request.key}:1", "pay_1", "approved")]


async def test_many_callbacks_are_told_in_one_go(database: Database, ringer: Ringer) -> None:
    simulator = Simulator(
        database, replace(QUICK, delay_min_ms=0, delay_max_ms=0, faults=FaultPlan(duplicate_callback=1.0))
    )
    requests = [new_request() for _ in range(BATCH_MOST + 10)]
    await asyncio.gather(*(ask(simulator, "authorize", request) for request in requests))

    await SimulatorCallbacks(database, ringer, system_clock).send()

    assert len(await read_callbacks(database)) == len(requests)


async def read_callbacks(database: Database) -> list[tuple[str, str, str]]:
    """Event, payment and what the body says of it, of all callbacks that are stored and due."""
    query = "SELECT event_id, payment_id, body FROM provider_callbacks WHERE due_at <= now() ORDER BY event_id"
    rows = await read_rows(database, query)
    return [(row["event_id"], row["payment_id"], json.loads(row["body"])["outcome"]) for row in rows]


async def test_outcomes_that_a_tester_sets_meanwhile_are_answered(database: Database) -> None:
    simulator = Simulator(database, replace(QUICK, delay_min_ms=400, delay_max_ms=400))
    request = replace(new_request(), key="pay_1:authorize")
    asking = asyncio.create_task(simulator.authorize(request))
    await wait_until(lambda: is_entered(simulator, request))
    async with database.statement() as connection:
        await settle_authorization(connection, "pay_1", SimulatedOutcome.INSUFFICIENT_FUNDS)

    answer = await asking
    assert isinstance(answer, Declined)
    assert answer.code == "insufficient_funds"


async def test_a_request_that_never_arrives_or_meets_an_error_leaves_nothing_done(database: Database) -> None:
    broken = Simulator(database, replace(QUICK, faults=FaultPlan(error=1.0)))
    silent = Simulator(database, replace(QUICK, faults=FaultPlan(no_answer=1.0)))
    failed, unheard = new_request(), new_request()

    assert await ask(broken, "authorize", failed) == Unknown("500")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(silent.authorize(unheard), DEADLINE_SECONDS)

    for request in (failed, unheard):
        assert await broken.status(request) == Missing()
    rows = await read_rows(database, "SELECT requests, asked FROM simulator_operations")
    assert rows == [{"requests": 0, "asked": 1}] * 2


async def test_an_answer_that_is_lost_is_found_by_a_status_check(database: Database) -> None:
    simulator = Simulator(database, replace(QUICK, faults=FaultPlan(lost_answer=1.0)))
    request = new_request()

    assert isinstance(await ask(simulator, "authorize", request), Unknown)

    assert await final_status(simulator, request) == Approved()
    assert await read_simulator_requests(database, "pay_1") == {"authorize": 1}


async def test_refused_requests_are_counted_and_the_first_that_is_taken_up_decides(database: Database) -> None:
    request = new_request()
    seed = next(
        seed
        for seed in map(str, range(1_000))
        if refused_requests(HALF, seed=seed, name=request.key)[:2] == (1, 2)
        and 3 not in refused_requests(HALF, seed=seed, name=request.key)
    )
    simulator = Simulator(database, replace(QUICK, seed=seed, faults=HALF))

    answers = [await ask(simulator, "authorize", request) for _ in range(3)]

    assert answers == [Unknown("500"), Unknown("500"), Approved()]
    rows = await read_rows(database, "SELECT requests, asked FROM simulator_operations")
    assert rows == [{"requests": 1, "asked": 3}]


HALF = FaultPlan(error=0.5)

"""UPI intent and QR at the simulator: the customer is waited for outside the call, in an app or on the bank page."""

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from tests.integration.processor.providers.conformance import ask, final_status
from tests.support.merchants import Merchant
from tests.support.processing import QUICK, new_processor, work_off
from tests.support.records import (
    make_due,
    read_event_types,
    read_events,
    read_lease,
    read_payment,
    read_rows,
    read_simulator_requests,
)

from gateway_common.clock import format_time, system_clock
from gateway_common.db.database import Database
from gateway_common.payments.model import Operation, PaymentMethod, PaymentStatus, VoidStatus
from gateway_common.payments.upi import render_qr_svg
from gateway_common.queue.ringer import Ringer
from gateway_common.simulator.model import SimulatedOutcome, UpiApp
from gateway_common.simulator.store import settle_authorization
from gateway_processor.providers.base import Approved, Expired, Pending, ProviderRequest
from gateway_processor.providers.simulator import Simulator

PAGE = replace(QUICK, upi_app=UpiApp.PAGE)
_numbers = count(1)


def new_request(flow: str) -> ProviderRequest:
    payment_id = f"pay_{next(_numbers)}"
    return ProviderRequest(
        key=f"{payment_id}:authorize",
        operation=Operation.AUTHORIZE,
        payment_id=payment_id,
        amount_minor=50_000,
        currency="INR",
        livemode=False,
        method=PaymentMethod.UPI,
        method_details={"flow": flow},
        decided_at=system_clock(),
        timeout_seconds=20.0,
    )


@pytest.mark.parametrize(("flow", "action"), [("intent", "upi_intent"), ("qr", "upi_qr")])
async def test_the_answer_comes_at_once_with_link_code_and_end_and_the_customer_approves_by_themselves(
    database: Database, flow: str, action: str
) -> None:
    simulator = Simulator(database, QUICK, public_url="https://gateway.example/")
    request = new_request(flow)

    waiting = await ask(simulator, "authorize", request)

    assert isinstance(waiting, Pending)
    assert waiting.expires_at is not None
    assert waiting.next_action is not None
    left = waiting.expires_at - system_clock()
    assert timedelta(seconds=290) < left <= timedelta(seconds=300)
    assert waiting.next_action == {
        "type": action,
        "upi_link": f"upi://pay?pa=shop@simulator&pn=Test%20merchant&tr={request.payment_id}&am=500.00&cu=INR",
        "qr_svg": render_qr_svg(waiting.next_action["upi_link"]),
        "expires_at": format_time(waiting.expires_at),
        "simulator_url": f"https://gateway.example/test/bank/{request.payment_id}",
    }
    assert await final_status(simulator, request) == Approved()
    assert await ask(simulator, "authorize", request) == Approved(), "asked again"


async def test_by_hand_it_waits_and_says_the_same_again_until_somebody_decides(database: Database) -> None:
    simulator = Simulator(database, PAGE)
    request = new_request("qr")
    waiting = await ask(simulator, "authorize", request)

    assert isinstance(waiting, Pending)
    assert waiting.check_in_seconds is None
    assert await simulator.status(request) == waiting
    async with database.statement() as connection:
        await settle_authorization(connection, request.payment_id, SimulatedOutcome.EXPIRED)
    assert await simulator.status(request) == Expired()


async def test_a_void_takes_the_request_back_and_it_can_be_approved_no_more(database: Database) -> None:
    simulator = Simulator(database, PAGE)
    request = new_request("intent")
    await ask(simulator, "authorize", request)

    assert await ask(simulator, "void", replace(request, key=f"{request.payment_id}:void")) == Approved()

    async with database.statement() as connection:
        settled = await settle_authorization(connection, request.payment_id, SimulatedOutcome.APPROVED)
    assert settled is None
    assert await simulator.status(request) == Expired()


async def test_a_void_of_what_was_approved_leaves_in_the_account_that_it_was(database: Database) -> None:
    simulator = Simulator(database, QUICK)
    request = new_request("intent")
    await ask(simulator, "authorize", request)
    await final_status(simulator, request)

    await ask(simulator, "void", replace(request, key=f"{request.payment_id}:void"))

    assert await simulator.status(request) == Approved()


@pytest.mark.parametrize("flow", ["intent", "qr"])
async def test_a_payment_in_an_app_holds_no_slot_shows_what_to_do_and_succeeds(
    database: Database, ringer: Ringer, merchant: Merchant, flow: str
) -> None:
    payment_id = await merchant.create_by(method="upi", upi={"flow": flow})
    processor = new_processor(database, ringer, Simulator(database, replace(QUICK, delay_min_ms=400, delay_max_ms=400)))

    await processor.process(payment_id)

    shown = await read_payment(database, payment_id)
    assert (await read_lease(database, payment_id))["worker_id"] is None
    assert shown.status is PaymentStatus.PROCESSING
    assert shown.next_action is not None
    assert "&pn=Test%20Merchant&" in shown.next_action["upi_link"]
    assert shown.next_action["expires_at"] == format_time(shown.request_expires_at or system_clock())
    await work_off(processor, database, payment_id)
    paid = await read_payment(database, payment_id)
    assert (paid.status, paid.next_action, paid.request_expires_at) == (PaymentStatus.SUCCESS, None, None)
    assert await read_simulator_requests(database, payment_id) == {"authorize": 1}
    assert await read_event_types(database, payment_id) == ["payment.created", "payment.processing", "payment.success"]


async def test_a_worker_that_died_with_the_answer_leaves_its_successor_the_same_link(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create_by(method="upi", upi={"flow": "qr"})
    processor = new_processor(database, ringer, Simulator(database, PAGE))
    claimed = await processor.claim(payment_id)
    assert claimed is not None
    lost = await processor.call(claimed)
    assert isinstance(lost, Pending)

    await read_rows(database, "UPDATE payments SET worker_id = NULL RETURNING id")
    await processor.process(payment_id)

    assert (await read_payment(database, payment_id)).next_action == lost.next_action
    assert await read_simulator_requests(database, payment_id) == {"authorize": 1}


async def test_a_request_that_nobody_answers_expires_and_is_taken_back(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create_by(method="upi", upi={"flow": "intent"})
    processor = new_processor(database, ringer, Simulator(database, replace(PAGE, upi_ttl_seconds=1)))
    await processor.process(payment_id)
    assert 0 < (await read_lease(database, payment_id))["due_in_seconds"] <= 1

    await work_off(processor, database, payment_id)

    expired = await read_payment(database, payment_id)
    assert (expired.status, expired.error_code) == (PaymentStatus.EXPIRED, "request_expired")
    assert (expired.void_status, expired.next_action) == (VoidStatus.COMPLETED, None)
    assert await read_event_types(database, payment_id) == ["payment.created", "payment.expired", "payment.processing"]
    rows = await read_rows(database, "SELECT kind, outcome FROM simulator_operations ORDER BY kind")
    assert [(row["kind"], row["outcome"]) for row in rows] == [("authorize", "withdrawn"), ("void", "approved")]


@pytest.mark.parametrize("vpa", ["expired@upi", "slow@upi"])
async def test_a_collect_request_that_nobody_answers_expires_without_a_void(
    database: Database, ringer: Ringer, merchant: Merchant, vpa: str
) -> None:
    slow = replace(QUICK, upi_ttl_seconds=0.03) if vpa == "slow@upi" else QUICK
    payment_id = await merchant.create(vpa=vpa)

    await work_off(new_processor(database, ringer, Simulator(database, slow)), database, payment_id)

    expired = await read_payment(database, payment_id)
    assert (expired.status, expired.void_status) == (PaymentStatus.EXPIRED, None)
    assert (await read_events(database, payment_id))[-1][1]["error"] == {
        "code": "request_expired",
        "message": "The customer did not approve the payment in time.",
    }


async def test_a_pending_payment_never_expires_by_itself(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create(vpa="pending@upi")
    processor = new_processor(database, ringer, Simulator(database, replace(QUICK, upi_ttl_seconds=0.05)))

    for _ in range(3):
        await processor.process(payment_id)
        await make_due(database, payment_id)

    assert (await read_payment(database, payment_id)).status is PaymentStatus.PROCESSING
    async with database.statement() as connection:
        await settle_authorization(connection, payment_id, SimulatedOutcome.APPROVED)
    await work_off(processor, database, payment_id)
    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS

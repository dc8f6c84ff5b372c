"""A payment's operations, one after another, on a real PostgreSQL, with the simulator and with providers that fail."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.merchants import Merchant
from tests.support.processing import QUICK, new_processor, work_off
from tests.support.providers import ScriptedProvider
from tests.support.proxy import line_to
from tests.support.records import (
    make_due,
    read_event_types,
    read_events,
    read_lease,
    read_payment,
    read_refunds,
    read_rows,
    read_simulator_requests,
)
from tests.support.waiting import wait_until

from gateway_common.db.database import Database, DatabaseUnavailableError
from gateway_common.payments.model import CaptureStatus, PaymentStatus
from gateway_common.queue.ringer import Ringer
from gateway_common.settings import normalize_database_url
from gateway_processor.providers.base import Approved, Missing, Outcome, Pending, ProviderRequest, Unknown
from gateway_processor.providers.simulator import Simulator

AUTHORIZED = ["payment.created", "payment.processing", "payment.success"]


async def test_authorize_capture_and_refund_one_after_another(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    processor = new_processor(database, ringer)
    payment_id = await merchant.create()
    await work_off(processor, database, payment_id)
    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS

    await merchant.capture(payment_id)
    await work_off(processor, database, payment_id)
    await merchant.refund(payment_id, 1_000)
    await work_off(processor, database, payment_id)

    payment = await read_payment(database, payment_id)
    assert payment.capture_status is CaptureStatus.COMPLETED
    assert (payment.amount_captured_minor, payment.amount_refunded_minor) == (50_000, 1_000)
    assert await read_refunds(database, payment_id) == [("processed", 1_000)]
    assert await read_simulator_requests(database, payment_id) == {"authorize": 1, "capture": 1, "refund": 1}
    versions = [snapshot["version"] for event_type, snapshot in await read_events(database, payment_id)]
    assert versions[:3] == [1, 2, 3]
    assert await read_event_types(database, payment_id) == sorted(
        [*AUTHORIZED, "payment.captured", "refund.created", "refund.processed"]
    )


async def test_automatic_capture_follows_success_without_being_asked(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create(capture_method="automatic")
    processor = new_processor(database, ringer)
    await processor.process(payment_id)

    decided = await read_payment(database, payment_id)
    assert (decided.captured, decided.capture_status) == (True, CaptureStatus.PENDING)
    assert payment_id in ringer._waiting, "it is rung for at once"
    await work_off(processor, database, payment_id)

    assert (await read_payment(database, payment_id)).capture_status is CaptureStatus.COMPLETED
    assert await read_simulator_requests(database, payment_id) == {"authorize": 1, "capture": 1}
    assert await read_event_types(database, payment_id) == ["payment.captured", *AUTHORIZED]


@pytest.mark.parametrize(
    ("vpa", "code"), [("failure@upi", "payment_declined"), ("insufficient@upi", "insufficient_funds")]
)
async def test_a_declined_payment_fails_with_its_reason(
    database: Database, ringer: Ringer, merchant: Merchant, vpa: str, code: str
) -> None:
    payment_id = await merchant.create(vpa=vpa)

    await work_off(new_processor(database, ringer), database, payment_id)

    payment = await read_payment(database, payment_id)
    assert (payment.status, payment.error_code) == (PaymentStatus.FAILED, code)
    events = await read_events(database, payment_id)
    assert [event_type for event_type, _ in events] == ["payment.created", "payment.processing", "payment.failed"]
    assert events[-1][1]["error"] == {"code": code, "message": payment.error_message}


async def test_no_answer_leaves_it_processing_until_a_status_check_finds_success(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create(vpa="timeout@upi")
    processor = new_processor(database, ringer, provider_timeout_seconds=0.3)

    await processor.process(payment_id)

    assert (await read_payment(database, payment_id)).status is PaymentStatus.PROCESSING
    lease = await read_lease(database, payment_id)
    assert lease["worker_id"] is None
    assert 3 < lease["due_in_seconds"] <= 5
    await make_due(database, payment_id)
    await work_off(processor, database, payment_id)
    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS
    assert await read_simulator_requests(database, payment_id) == {"authorize": 1}
    assert await read_event_types(database, payment_id) == AUTHORIZED


async def test_a_payment_that_stays_pending_is_asked_after_later_and_later(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create(vpa="pending@upi")
    processor = new_processor(database, ringer)

    pauses = []
    for _ in range(4):
        await processor.process(payment_id)
        pauses.append(round((await read_lease(database, payment_id))["due_in_seconds"]))
        await make_due(database, payment_id)

    assert pauses == [5, 10, 20, 40]
    assert (await read_payment(database, payment_id)).status is PaymentStatus.PROCESSING
    assert await read_simulator_requests(database, payment_id) == {"authorize": 1}


class BrokenProvider(ScriptedProvider):
    async def authorize(self, request: ProviderRequest) -> Outcome:
        self.asked.append(("authorize", request.key, request.amount_minor))
        raise ConnectionResetError("in the middle of the answer")


async def test_an_adapter_that_breaks_is_an_unknown_outcome_not_a_failed_payment(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create()
    provider = BrokenProvider(Approved())
    processor = new_processor(database, ringer, provider)

    await processor.process(payment_id)
    assert (await read_payment(database, payment_id)).status is PaymentStatus.PROCESSING
    await make_due(database, payment_id)
    await processor.process(payment_id)

    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS
    assert [call for call, _, _ in provider.asked] == ["authorize", "status"]


async def test_two_rings_of_one_payment_that_are_heard_together_do_its_work_once(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create()
    processor = new_processor(database, ringer)

    await asyncio.gather(*(processor.process(payment_id) for _ in range(10)))

    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS
    assert await read_simulator_requests(database, payment_id) == {"authorize": 1}
    assert await read_event_types(database, payment_id) == AUTHORIZED


async def test_many_payments_at_once_share_statements_and_each_is_done_once(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_ids = [await merchant.create(capture_method="automatic") for _ in range(40)]
    processors = [new_processor(database, ringer, worker_id=f"wrk_{number}") for number in range(2)]

    for _ in range(2):
        await asyncio.gather(*(each.process(payment_id) for payment_id in payment_ids for each in processors))

    rows = await read_rows(database, "SELECT kind, requests, count(*) AS count FROM simulator_operations GROUP BY 1, 2")
    assert {(row["kind"], row["requests"]): row["count"] for row in rows} == {("authorize", 1): 40, ("capture", 1): 40}
    rows = await read_rows(database, "SELECT type, count(*) AS count FROM events GROUP BY type")
    assert {row["count"] for row in rows} == {40}


async def test_recording_waits_out_an_outage_of_the_database(
    database: Database, database_url: str, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create()
    provider = ScriptedProvider()
    async with line_to(database_url) as (line, near_url):
        far = Database(normalize_database_url(near_url), application_name="test-far", pool_size=2)
        processing = asyncio.create_task(new_processor(far, ringer, provider).process(payment_id))
        await wait_until(lambda: len(provider.asked) == 1)

        line.cut()
        provider.answer(Approved())
        await asyncio.sleep(1.0)
        assert (await read_payment(database, payment_id)).status is PaymentStatus.PROCESSING
        assert not processing.done()
        line.mend()
        await processing
        await far.close()

    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS
    assert [call for call, _, _ in provider.asked] == ["authorize"]
    assert await read_event_types(database, payment_id) == AUTHORIZED


async def test_an_outage_that_lasts_too_long_drops_the_answer_and_the_next_worker_asks_again(
    database: Database, database_url: str, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create()
    provider = ScriptedProvider()
    async with line_to(database_url) as (line, near_url):
        far = Database(normalize_database_url(near_url), application_name="test-far", pool_size=2)
        processor = new_processor(far, ringer, provider, record_for_seconds=0.5)
        processing = asyncio.create_task(processor.process(payment_id))
        await wait_until(lambda: len(provider.asked) == 1)

        line.cut()
        provider.answer(Approved())

        with pytest.raises(DatabaseUnavailableError):
            await processing
        await far.close()
    assert (await read_lease(database, payment_id))["worker_id"] == "wrk_1", "until it falls silent"


async def test_a_simulator_that_succeeds_half_of_the_time_declines_the_others(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_ids = [await merchant.create() for _ in range(30)]
    plan = replace(QUICK, delay_min_ms=0, delay_max_ms=0, success_rate=0.5)
    simulator = Simulator(database, plan)

    await asyncio.gather(
        *(new_processor(database, ringer, simulator).process(payment_id) for payment_id in payment_ids)
    )

    statuses = [(await read_payment(database, payment_id)).status for payment_id in payment_ids]
    assert {PaymentStatus.SUCCESS, PaymentStatus.FAILED} == set(statuses)


@pytest.mark.parametrize("outcome", [Pending(), Pending(check_in_seconds=7.0), Unknown("no answer")])
async def test_an_outcome_that_decides_nothing_changes_nothing_but_when_to_look_again(
    database: Database, ringer: Ringer, merchant: Merchant, outcome: Outcome
) -> None:
    payment_id = await merchant.create()
    processor = new_processor(database, ringer, ScriptedProvider(outcome, Missing(), Approved()))
    await processor.process(payment_id)
    waiting = await read_payment(database, payment_id)

    assert (waiting.status, waiting.version) == (PaymentStatus.PROCESSING, 2)
    await processor.process(payment_id)
    assert await read_payment(database, payment_id) == waiting, "it is not due yet"
    await make_due(database, payment_id)
    await processor.process(payment_id)
    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS

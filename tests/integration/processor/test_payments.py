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
from gateway_processor.providers.base import Approved, Declined, Missing, Outcome, Pending, ProviderRequest, Unknown
from gateway_processor.providers.simulator import Simulator

AUTHORIZED = ["payment.created", "payment.processing", "payment.success"]


async def authorized(merchant: Merchant, database: Database, ringer: Ringer, *, captured: bool = False) -> str:
    """Bring a payment to success, and through its capture if asked; the provider is not the test's."""
    payment_id = await merchant.create()
    processor = new_processor(database, ringer, ScriptedProvider(Approved(), Approved()))
    await processor.process(payment_id)
    if captured:
        await merchant.capture(payment_id)
        await processor.process(payment_id)
    return payment_id


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


async def test_a_refund_created_while_the_capture_is_with_the_provider_waits_for_it(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorized(merchant, database, ringer)
    await merchant.capture(payment_id)
    provider = ScriptedProvider()
    processor = new_processor(database, ringer, provider)
    capturing = asyncio.create_task(processor.process(payment_id))
    await wait_until(lambda: len(provider.asked) == 1)

    refund_id = await merchant.refund(payment_id, 2_000)
    await processor.process(payment_id)
    assert provider.asked == [("capture", f"{payment_id}:capture:1", 50_000)], "one operation at a time"
    provider.answer(Approved())
    await capturing
    provider.answer(Approved())
    await work_off(processor, database, payment_id)

    assert provider.asked[1:] == [("refund", refund_id, 2_000)]
    payment = await read_payment(database, payment_id)
    assert (payment.capture_status, payment.amount_refunded_minor) == (CaptureStatus.COMPLETED, 2_000)
    assert (await read_event_types(database, payment_id)).count("payment.captured") == 1


async def test_refunds_that_wait_for_a_declined_capture_fail_with_it_and_it_can_be_tried_again(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorized(merchant, database, ringer)
    await merchant.capture(payment_id, 30_000)
    await merchant.refund(payment_id, 1_000)
    await merchant.refund(payment_id, 2_000)
    provider = ScriptedProvider(Declined("capture_declined", "The provider did not take it."), Approved())
    processor = new_processor(database, ringer, provider)

    await processor.process(payment_id)

    payment = await read_payment(database, payment_id)
    assert (payment.captured, payment.capture_status) == (False, CaptureStatus.FAILED)
    assert (payment.amount_captured_minor, payment.amount_refund_reserved_minor) == (0, 0)
    assert (payment.status, payment.error_code) == (PaymentStatus.SUCCESS, "capture_declined")
    assert await read_refunds(database, payment_id) == [("failed", 1_000), ("failed", 2_000)]
    assert await _transactions_of_last_changes(database) == 1, "payment, refunds and events changed together"
    assert (await read_lease(database, payment_id))["due_in_seconds"] is None

    await merchant.capture(payment_id, 40_000)
    await work_off(processor, database, payment_id)
    assert provider.asked == [
        ("capture", f"{payment_id}:capture:1", 30_000),
        ("capture", f"{payment_id}:capture:2", 40_000),
    ]
    captured = await read_payment(database, payment_id)
    assert (captured.capture_status, captured.amount_captured_minor) == (CaptureStatus.COMPLETED, 40_000)
    assert captured.error_code is None
    types = await read_event_types(database, payment_id)
    assert [types.count(each) for each in ("payment.capture_failed", "refund.failed", "payment.captured")] == [1, 2, 1]


async def _transactions_of_last_changes(database: Database) -> int:
    query = """
    SELECT DISTINCT xmin::text FROM payments
    UNION SELECT xmin::text FROM refunds
    UNION SELECT xmin::text FROM events WHERE type IN ('payment.capture_failed', 'refund.failed')
    """
    return len(await read_rows(database, query))


async def test_a_refund_created_while_its_capture_is_declined_fails_too(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorized(merchant, database, ringer)
    await merchant.capture(payment_id)
    provider = ScriptedProvider()
    processor = new_processor(database, ringer, provider)
    capturing = asyncio.create_task(processor.process(payment_id))
    await wait_until(lambda: len(provider.asked) == 1)

    await merchant.refund(payment_id, 500)
    provider.answer(Declined("capture_declined", "The provider did not take it."))
    await capturing

    assert await read_refunds(database, payment_id) == [("failed", 500)]
    assert (await read_payment(database, payment_id)).amount_refund_reserved_minor == 0


async def test_a_refund_that_fails_gives_its_reserve_back(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorized(merchant, database, ringer, captured=True)
    processor = new_processor(database, ringer)
    await merchant.refund(payment_id, 49_913)

    await work_off(processor, database, payment_id)
    payment = await read_payment(database, payment_id)
    assert (payment.amount_refunded_minor, payment.amount_refund_reserved_minor) == (0, 0)
    await merchant.refund(payment_id)
    await work_off(processor, database, payment_id)

    assert await read_refunds(database, payment_id) == [("failed", 49_913), ("processed", 50_000)]
    assert (await read_payment(database, payment_id)).amount_refunded_minor == 50_000
    types = await read_event_types(database, payment_id)
    assert [types.count(each) for each in ("refund.created", "refund.failed", "refund.processed")] == [2, 1, 1]


async def test_refunds_are_worked_off_in_the_order_they_were_asked_for_one_at_a_time(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorized(merchant, database, ringer)
    await merchant.capture(payment_id)
    refunds = []
    for amount in (300, 100, 200):
        refunds.append(("refund", await merchant.refund(payment_id, amount), amount))
        await asyncio.sleep(0.002)
    provider = ScriptedProvider()
    processor = new_processor(database, ringer, provider)

    for done in range(4):
        steps = [asyncio.create_task(processor.process(payment_id)) for _ in range(5)]
        await wait_until(lambda asked=done + 1: len(provider.asked) == asked)  # type: ignore[misc]
        provider.answer(Approved())
        await asyncio.gather(*steps)

    assert provider.asked == [("capture", f"{payment_id}:capture:1", 50_000), *refunds]
    assert (await read_payment(database, payment_id)).amount_refunded_minor == 600
    assert (await read_lease(database, payment_id))["due_in_seconds"] is None


async def test_a_refund_under_way_is_finished_before_an_earlier_numbered_one_is_begun(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await authorized(merchant, database, ringer, captured=True)
    first = await merchant.refund(payment_id, 100)
    provider = ScriptedProvider(Unknown("no answer"), Approved(), Approved())
    processor = new_processor(database, ringer, provider)
    await processor.process(payment_id)

    # An API server whose clock is behind gives a later refund the smaller id.
    second = await merchant.refund(payment_id, 200)
    await _rename_refund(database, second, "rfnd_000000000000early")
    await work_off(processor, database, payment_id)

    assert provider.asked == [
        ("refund", first, 100),
        ("status", first, None),
        ("refund", "rfnd_000000000000early", 200),
    ]


async def _rename_refund(database: Database, refund_id: str, new_id: str) -> None:
    await read_rows(database, "UPDATE refunds SET id = :new WHERE id = :id RETURNING id", id=refund_id, new=new_id)


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


async def test_a_simulator_that_declines_half_of_all_declines_the_same_half_again(
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


@pytest.mark.parametrize("outcome", [Pending(), Pending(7.0), Unknown("no answer")])
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

"""Callbacks as doorbells: whatever comes, however often and in whatever order, only the provider's answer counts."""

import asyncio
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY
from tests.support.callbacks import call_back, read_callbacks, read_outcomes
from tests.support.merchants import Merchant
from tests.support.processing import new_processor, running_worker, work_off
from tests.support.providers import ScriptedProvider
from tests.support.records import (
    free_leases,
    read_answers,
    read_audit,
    read_event_types,
    read_lease,
    read_payment,
    write_rows,
)
from tests.support.waiting import wait_until

from gateway_common.clock import system_clock
from gateway_common.db.database import Database
from gateway_common.payments.model import PaymentStatus
from gateway_common.queue.ringer import Ringer
from gateway_processor.callbacks import BATCH_MOST, CallbackHandler
from gateway_processor.providers.base import Approved, Declined, Outcome, Pending, Unknown
from gateway_processor.steps import CallbackStep

DECLINED = Declined("payment_declined", "The bank said no.")
ASKED, RESTING, UNRELATED = "asked", "resting", "unrelated"
STORY = ["payment.created", "payment.processing"]


class DiedError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def handler(database: Database, ringer: Ringer) -> CallbackHandler:
    return CallbackHandler(database, ringer, system_clock)


async def wait_for_no_lease(database: Database) -> None:
    """Let the second pass that a callback waits for the end of a lease."""
    await write_rows(database, "UPDATE provider_callbacks SET due_at = now() WHERE due_at IS NOT NULL")


async def answered(
    database: Database, ringer: Ringer, merchant: Merchant, *answers: Outcome
) -> tuple[str, ScriptedProvider]:
    """A payment that its provider was asked for, and the provider, who answered the first of these."""
    provider = ScriptedProvider(*answers)
    payment_id = await merchant.create()
    await new_processor(database, ringer, provider).process(payment_id)
    return payment_id, provider


async def is_due(database: Database, payment_id: str) -> bool:
    due_in_seconds = (await read_lease(database, payment_id))["due_in_seconds"]
    return due_in_seconds is not None and due_in_seconds <= 0


async def test_a_callback_about_an_unknown_outcome_has_the_provider_asked_at_once(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler
) -> None:
    payment_id, provider = await answered(database, ringer, merchant, Unknown("no answer"), Approved("ref_1"))
    before = await read_payment(database, payment_id)
    assert not await is_due(database, payment_id)

    await call_back(database, payment_id)
    await handler.handle()

    assert await read_outcomes(database) == [ASKED]
    fenced = replace(before, attempt=before.attempt + 1)
    assert await read_payment(database, payment_id) == fenced, "what it said moved nothing"
    assert payment_id in ringer._waiting, "it is rung for at once"
    await new_processor(database, ringer, provider).process(payment_id)
    assert [call for call, *_ in provider.asked] == ["authorize", "status"]
    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS
    assert await read_audit(database) == []


async def test_callbacks_out_of_order_and_in_copies_ask_and_change_nothing_twice(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler
) -> None:
    payment_id, provider = await answered(database, ringer, merchant, Pending(), Approved("ref_1"))

    assert await call_back(database, payment_id, event_id="succeeded") == 1
    assert await call_back(database, payment_id, event_id="succeeded") == 0
    await call_back(database, payment_id, event_id="created")
    await call_back(database, payment_id, event_id="the same under another name")
    await handler.handle()
    await new_processor(database, ringer, provider).process(payment_id)
    await call_back(database, payment_id, event_id="processing")
    await handler.handle()

    assert await read_outcomes(database) == [ASKED, ASKED, ASKED, RESTING]
    assert [call for call, *_ in provider.asked] == ["authorize", "status"]
    assert await read_event_types(database, payment_id) == [*STORY, "payment.success"]
    assert await read_audit(database) == []


@pytest.mark.parametrize("named", [None, "pay_of_nobody", "", "pi_3"])
async def test_a_callback_about_no_payment_of_ours_is_kept_and_done(
    database: Database, handler: CallbackHandler, named: str | None
) -> None:
    await call_back(database, named)

    await handler.handle()

    assert await read_outcomes(database) == [UNRELATED]


async def test_a_provider_has_no_say_about_a_payment_of_another_or_one_that_it_was_never_asked_for(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler
) -> None:
    failed, _ = await answered(database, ringer, merchant, DECLINED)
    pending = await merchant.create()
    before = [await read_payment(database, each) for each in (failed, pending)]

    await call_back(database, failed, provider="stripe")
    await call_back(database, pending)
    await handler.handle()

    assert await read_outcomes(database) == [UNRELATED, UNRELATED]
    assert [await read_payment(database, each) for each in (failed, pending)] == before
    assert not await is_due(database, failed)


async def test_a_callback_that_comes_before_the_answer_waits_for_the_lease_and_is_heard_then(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler
) -> None:
    provider = ScriptedProvider()
    payment_id = await merchant.create()
    processor = new_processor(database, ringer, provider)
    claimed = await processor.claim(payment_id)
    assert claimed is not None

    await call_back(database, payment_id)
    await handler.handle()
    [waiting] = await read_callbacks(database)
    assert (waiting["outcome"], waiting["attempts"]) == (None, 1)
    assert 0 < waiting["due_in_seconds"] <= 1
    for _ in range(3):
        await wait_for_no_lease(database)
        await handler.handle()

    await processor.record(claimed, Pending())
    assert not await is_due(database, payment_id)
    await wait_for_no_lease(database)
    await handler.handle()

    [heard] = await read_callbacks(database)
    assert (heard["outcome"], heard["attempts"]) == (ASKED, 5)
    assert await is_due(database, payment_id)
    assert await read_audit(database) == []


async def test_news_of_an_inquiry_under_way_has_the_provider_asked_once_more(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler
) -> None:
    payment_id, provider = await answered(database, ringer, merchant, DECLINED)
    processor = new_processor(database, ringer, provider)
    await call_back(database, payment_id)
    await handler.handle()
    claimed = await processor.claim(payment_id)
    assert claimed is not None

    await call_back(database, payment_id)
    await handler.handle()
    await processor.record(claimed, DECLINED)
    await wait_for_no_lease(database)
    await handler.handle()
    provider.answer(Approved("ref_1"))
    await processor.process(payment_id)

    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS
    assert await read_outcomes(database) == [ASKED, ASKED]
    assert await read_audit(database) == []


async def test_two_processors_share_a_backlog_and_ask_for_each_payment_once(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    handlers = [CallbackHandler(database, ringer, system_clock) for _ in range(2)]
    failed = [(await answered(database, ringer, merchant, DECLINED))[0] for _ in range(3)]
    before = [await read_payment(database, each) for each in failed]
    for number in range(BATCH_MOST + 50):
        await call_back(database, failed[number % 3])

    await asyncio.gather(*(each.handle() for each in handlers))
    for _ in range(5):
        # A callback whose payment the other one had locked waits a second.
        await wait_for_no_lease(database)
        await asyncio.gather(*(each.handle() for each in handlers))

    assert await read_outcomes(database) == [ASKED] * (BATCH_MOST + 50)
    after = [await read_payment(database, each) for each in failed]
    assert [each.version for each in after] == [each.version + 1 for each in before], "heard once, however many called"
    assert all(each.has_news for each in after)


@pytest.mark.parametrize("fatal", list(CallbackStep))
async def test_killed_at_any_step_the_next_one_handles_what_was_due(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler, fatal: CallbackStep
) -> None:
    payment_id, provider = await answered(database, ringer, merchant, DECLINED, Approved("ref_1"))
    await call_back(database, payment_id)

    def die(step: CallbackStep) -> None:
        if step is fatal:
            raise DiedError

    with pytest.raises(DiedError):
        await CallbackHandler(database, ringer, system_clock, die).handle()
    assert (await read_outcomes(database) == [ASKED]) is (fatal is CallbackStep.HANDLED)
    await handler.handle()
    await work_off(new_processor(database, ringer, provider), database, payment_id)

    assert await read_outcomes(database) == [ASKED]
    assert await read_event_types(database, payment_id) == [
        "payment.created", "payment.failed", "payment.late_success", "payment.processing",
    ]  # fmt: skip
    assert [call for call, *_ in provider.asked] == ["authorize", "status"]
    assert await read_audit(database) == []


async def test_a_payment_whose_holder_died_is_heard_of_when_its_lease_is_free(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler
) -> None:
    payment_id = await merchant.create()
    assert await new_processor(database, ringer, ScriptedProvider(), worker_id="wrk_dead").claim(payment_id)
    await call_back(database, payment_id)
    await handler.handle()

    assert await free_leases(database) == 1
    await wait_for_no_lease(database)
    await handler.handle()

    assert await read_outcomes(database) == [ASKED]


@pytest.mark.parametrize("earlier", [DECLINED, Unknown("no answer")])
async def test_an_answer_from_before_the_call_by_a_worker_that_lost_its_lease_does_not_answer_it(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler, earlier: Outcome
) -> None:
    payment_id = await merchant.create()
    slow = new_processor(database, ringer, ScriptedProvider(earlier), worker_id="wrk_slow")
    claimed = await slow.claim(payment_id)
    assert claimed is not None
    answer = await slow.call(claimed)
    await free_leases(database)
    await call_back(database, payment_id)
    await handler.handle()
    assert await read_outcomes(database) == [ASKED]

    await slow.record(claimed, answer)
    await new_processor(database, ringer, ScriptedProvider(Approved("ref_1"))).process(payment_id)

    assert (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS
    assert await read_audit(database) == []


async def test_a_callback_about_an_open_capture_has_the_provider_asked_and_one_about_a_settled_payment_nobody(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler
) -> None:
    payment_id, provider = await answered(database, ringer, merchant, Approved("ref_1"))
    await call_back(database, payment_id)
    await handler.handle()
    processor = new_processor(database, ringer, provider)
    await merchant.capture(payment_id)
    provider.answer(Unknown("no answer"))
    await processor.process(payment_id)
    assert not await is_due(database, payment_id)

    await call_back(database, payment_id)
    await handler.handle()
    provider.answer(Approved("ref_1"))
    await processor.process(payment_id)
    await call_back(database, payment_id)
    await handler.handle()

    assert await read_outcomes(database) == [RESTING, ASKED, RESTING]
    assert [each[:3] for each in await read_answers(database, payment_id)] == [
        (1, "authorize", "approved"),
        (2, "capture", "unknown"),
        (4, "capture", "approved"),
    ]
    assert await read_audit(database) == []


async def test_a_ring_that_comes_while_callbacks_are_handled_makes_it_look_once_more(
    database: Database, ringer: Ringer
) -> None:
    looks: list[CallbackStep] = []
    handler = CallbackHandler(database, ringer, system_clock, looks.append)

    await asyncio.gather(*(handler.handle() for _ in range(10)))

    assert looks == [CallbackStep.HANDLING] * 2


async def test_what_is_due_and_who_needs_a_person_is_measured(
    database: Database, ringer: Ringer, merchant: Merchant, handler: CallbackHandler
) -> None:
    payment_id, _ = await answered(database, ringer, merchant, DECLINED)
    await call_back(database, payment_id)
    await write_rows(database, "UPDATE provider_callbacks SET due_at = now() - interval '7 seconds'")
    await write_rows(database, "UPDATE payments SET needs_attention = true")

    await handler.measure()

    assert REGISTRY.get_sample_value("gateway_due", {"queue": "callbacks"}) == 1
    age = REGISTRY.get_sample_value("gateway_oldest_due_age_seconds", {"queue": "callbacks"})
    assert 7 <= (age or 0) < 10
    assert REGISTRY.get_sample_value("gateway_payments_needing_attention") == 1


async def test_a_worker_comes_from_a_callback_to_the_late_success_by_itself(
    database: Database, ringer: Ringer, merchant: Merchant, redis_url: str
) -> None:
    payment_id, provider = await answered(database, ringer, merchant, DECLINED, Approved("ref_1"))

    async def is_success() -> bool:
        return (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS

    async with running_worker(database, redis_url, provider, worker_id="wrk_1"):
        await call_back(database, payment_id)
        await wait_until(is_success)

    assert await read_audit(database) == []

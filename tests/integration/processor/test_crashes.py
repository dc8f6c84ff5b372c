"""Stopped after any step of any operation, the next worker brings the payment to the same end, once.

After rocket-rides-atomic: for each step, die there, run again, and compare with the run that nobody disturbed.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.merchants import Merchant
from tests.support.processing import new_processor, work_off
from tests.support.providers import ScriptedProvider
from tests.support.proxy import Line, line_to
from tests.support.records import (
    free_leases,
    read_event_types,
    read_lease,
    read_payment,
    read_refunds,
    read_rows,
    read_simulator_requests,
)
from tests.support.waiting import wait_until

from gateway_common.db.database import Database
from gateway_common.payments.model import Operation
from gateway_common.queue.ringer import Ringer
from gateway_common.settings import normalize_database_url
from gateway_processor.claims import Claimed
from gateway_processor.payments import PaymentProcessor
from gateway_processor.providers.base import Approved

OPERATIONS = [Operation.AUTHORIZE, Operation.CAPTURE, Operation.VOID, Operation.REFUND]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The world of one test, and how far its payment is brought."""

    database: Database
    ringer: Ringer
    merchant: Merchant

    async def payment_before(self, operation: Operation) -> str:
        """Bring a payment to where this operation is its next; what came before is nobody's matter here."""
        payment_id = await self.merchant.create()
        if operation is Operation.AUTHORIZE:
            return payment_id
        processor = new_processor(self.database, self.ringer, worker_id="wrk_before")
        await work_off(processor, self.database, payment_id)
        if operation is Operation.VOID:
            await self.merchant.cancel(payment_id)
            return payment_id
        await self.merchant.capture(payment_id)
        if operation is Operation.REFUND:
            await work_off(processor, self.database, payment_id)
            await self.merchant.refund(payment_id, 1_000)
        return payment_id

    async def outcome(self, payment_id: str) -> dict[str, Any]:
        """All that counts in the end, without ids, times and attempts."""
        payment = await read_payment(self.database, payment_id)
        lease = await read_lease(self.database, payment_id)
        due_in_seconds = lease["due_in_seconds"]
        return {
            "status": payment.status,
            "capture": (payment.capture_status, payment.capture_number, payment.amount_captured_minor),
            "refund": (payment.amount_refunded_minor, payment.amount_refund_reserved_minor),
            "refunds": await read_refunds(self.database, payment_id),
            "version": payment.version,
            "tries": payment.operation_attempt,
            "held": (lease["worker_id"], None if due_in_seconds is None else round(due_in_seconds, -2)),
            "events": await read_event_types(self.database, payment_id),
            "simulator": await read_simulator_requests(self.database, payment_id),
        }

    async def undisturbed(self, operation: Operation) -> dict[str, Any]:
        payment_id = await self.payment_before(operation)
        await work_off(new_processor(self.database, self.ringer), self.database, payment_id)
        return await self.outcome(payment_id)

    async def resume(self, payment_id: str) -> PaymentProcessor:
        """Let another worker find the dead one's lease and finish."""
        assert await free_leases(self.database) == 1
        other = new_processor(self.database, self.ringer, worker_id="wrk_2")
        await work_off(other, self.database, payment_id)
        return other


@pytest.fixture
def stage(database: Database, ringer: Ringer, merchant: Merchant) -> Stage:
    return Stage(database=database, ringer=ringer, merchant=merchant)


async def claim(processor: PaymentProcessor, payment_id: str) -> Claimed:
    claimed = await processor.claim(payment_id)
    assert claimed is not None
    return claimed


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_died_after_the_claim(stage: Stage, operation: Operation) -> None:
    payment_id = await stage.payment_before(operation)

    await claim(new_processor(stage.database, stage.ringer), payment_id)
    await stage.resume(payment_id)

    assert await stage.outcome(payment_id) == await stage.undisturbed(operation)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_died_while_the_provider_was_at_it(stage: Stage, operation: Operation) -> None:
    payment_id = await stage.payment_before(operation)
    processor = new_processor(stage.database, stage.ringer)
    calling = asyncio.create_task(processor.call(await claim(processor, payment_id)))

    async def provider_has_it() -> bool:
        return operation.value in await read_simulator_requests(stage.database, payment_id)

    await wait_until(provider_has_it)
    calling.cancel()
    await stage.resume(payment_id)

    assert await stage.outcome(payment_id) == await stage.undisturbed(operation)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_died_with_the_answer_in_hand(stage: Stage, operation: Operation) -> None:
    payment_id = await stage.payment_before(operation)
    processor = new_processor(stage.database, stage.ringer)

    assert await processor.call(await claim(processor, payment_id)) == Approved()
    await stage.resume(payment_id)

    assert await stage.outcome(payment_id) == await stage.undisturbed(operation)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_died_after_the_record(stage: Stage, operation: Operation) -> None:
    payment_id = await stage.payment_before(operation)

    await new_processor(stage.database, stage.ringer).process(payment_id)
    assert await free_leases(stage.database) == 0
    await work_off(new_processor(stage.database, stage.ringer, worker_id="wrk_2"), stage.database, payment_id)

    assert await stage.outcome(payment_id) == await stage.undisturbed(operation)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_was_only_slow_and_comes_back_when_another_has_finished(stage: Stage, operation: Operation) -> None:
    payment_id = await stage.payment_before(operation)
    slow = new_processor(stage.database, stage.ringer)
    claimed = await claim(slow, payment_id)
    answer = await slow.call(claimed)

    await stage.resume(payment_id)

    assert not await slow.record(claimed, answer)
    assert await stage.outcome(payment_id) == await stage.undisturbed(operation)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_was_only_slow_and_comes_back_while_another_is_at_it(stage: Stage, operation: Operation) -> None:
    payment_id = await stage.payment_before(operation)
    slow, quick = (
        new_processor(stage.database, stage.ringer, ScriptedProvider(Approved()), worker_id=worker_id)
        for worker_id in ("wrk_slow", "wrk_quick")
    )
    claimed = await claim(slow, payment_id)
    await free_leases(stage.database)
    taken = await claim(quick, payment_id)

    assert not await slow.record(claimed, Approved())
    assert await quick.record(taken, await quick.call(taken))

    expected = await stage.undisturbed(operation)
    assert await stage.outcome(payment_id) | {"simulator": None} == expected | {"simulator": None}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_the_answer_of_the_recording_statement_is_lost(
    stage: Stage, operation: Operation, database_url: str
) -> None:
    payment_id = await stage.payment_before(operation)
    async with line_to(database_url) as (line, near_url):
        far = Database(normalize_database_url(near_url), application_name="test-far", pool_size=2)
        processor = new_processor(far, stage.ringer, record_for_seconds=5.0)
        claimed = await claim(processor, payment_id)
        answer = await processor.call(claimed)

        _lose_the_answer_to_the_commit(line, operation)
        await processor.record(claimed, answer)
        await far.close()
    assert line.lost_answers == 1

    await work_off(new_processor(stage.database, stage.ringer, worker_id="wrk_2"), stage.database, payment_id)
    assert await stage.outcome(payment_id) == await stage.undisturbed(operation)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_the_answer_of_the_claiming_statement_is_lost(
    stage: Stage, operation: Operation, database_url: str
) -> None:
    payment_id = await stage.payment_before(operation)
    async with line_to(database_url) as (line, near_url):
        far = Database(normalize_database_url(near_url), application_name="test-far", pool_size=2)
        _lose_the_answer_to_the_commit(line, operation)

        with pytest.raises(Exception, match="does not answer"):
            await new_processor(far, stage.ringer).claim(payment_id)
        await far.close()
    assert line.lost_answers == 1

    await stage.resume(payment_id)
    assert await stage.outcome(payment_id) == await stage.undisturbed(operation)


def _lose_the_answer_to_the_commit(line: Line, operation: Operation) -> None:
    # A refund is claimed and recorded in a transaction of several statements, the others in a single statement.
    line.lose_answer_to(b"COMMIT\0" if operation is Operation.REFUND else b"UPDATE payments SET")


async def test_no_operation_of_a_disturbed_life_was_asked_for_twice(stage: Stage) -> None:
    payment_id = await stage.payment_before(Operation.AUTHORIZE)
    await claim(new_processor(stage.database, stage.ringer, worker_id="wrk_dead_1"), payment_id)
    await stage.resume(payment_id)
    await stage.merchant.capture(payment_id)
    processor = new_processor(stage.database, stage.ringer, worker_id="wrk_dead_2")
    await processor.call(await claim(processor, payment_id))
    await stage.resume(payment_id)
    for amount in (100, 200):
        await stage.merchant.refund(payment_id, amount)
        await claim(new_processor(stage.database, stage.ringer, worker_id="wrk_dead_3"), payment_id)
        await stage.resume(payment_id)

    rows = await read_rows(stage.database, "SELECT kind, requests FROM simulator_operations ORDER BY kind")
    asked = [(row["kind"], row["requests"]) for row in rows]
    assert asked == [("authorize", 1), ("capture", 1), ("refund", 1), ("refund", 1)]
    assert (await read_payment(stage.database, payment_id)).amount_refunded_minor == 300

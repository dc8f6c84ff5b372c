"""The simulator calls the gateway: late successes arrive, and copies and surplus calls change nothing."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.merchants import Merchant
from tests.support.processing import QUICK, new_processor, work_off
from tests.support.records import (
    make_due,
    read_audit,
    read_event_types,
    read_payment,
    read_rows,
    read_simulator_requests,
    write_rows,
)
from tests.support.waiting import wait_until

from gateway_common.clock import system_clock
from gateway_common.db.database import Database
from gateway_common.payments.model import PaymentStatus
from gateway_common.queue.ringer import Ringer
from gateway_common.simulator.faults import FaultPlan
from gateway_processor.callbacks import CallbackHandler
from gateway_processor.payments import PaymentProcessor
from gateway_processor.providers.simulator import Simulator
from gateway_processor.providers.simulator_callbacks import SimulatorCallbacks

ONE_MORE = """
INSERT INTO provider_callbacks (id, provider, event_id, payment_id, body, received_at, due_at)
SELECT id || 'x', provider, event_id || ' again', payment_id, body, received_at, now() FROM provider_callbacks
"""


@pytest.fixture
def processor(database: Database, ringer: Ringer) -> PaymentProcessor:
    return new_processor(database, ringer, Simulator(database, QUICK))


async def call(database: Database, ringer: Ringer) -> None:
    """Let the simulator call, and the gateway hear."""
    await SimulatorCallbacks(database, ringer, system_clock).send()
    await CallbackHandler(database, ringer, system_clock).handle()


async def test_a_late_success_waits_until_the_payment_has_failed_however_long_that_takes(
    database: Database, ringer: Ringer, merchant: Merchant
) -> None:
    payment_id = await merchant.create(vpa="late@upi")
    deaf = Simulator(database, replace(QUICK, faults=FaultPlan(lost_answer=1.0)))
    processor = new_processor(database, ringer, deaf)
    await processor.process(payment_id)
    await asyncio.sleep(0.3)
    await call(database, ringer)
    assert (await read_payment(database, payment_id)).status is PaymentStatus.PROCESSING

    await make_due(database, payment_id)
    await processor.process(payment_id)

    assert (await read_payment(database, payment_id)).status is PaymentStatus.FAILED


async def test_a_late_success_arrives_by_the_simulators_own_call_and_more_calls_change_nothing(
    database: Database, ringer: Ringer, merchant: Merchant, processor: PaymentProcessor
) -> None:
    payment_id = await merchant.create(vpa="late@upi")
    await work_off(processor, database, payment_id)
    failed = await read_payment(database, payment_id)
    assert (failed.status, failed.error_code) == (PaymentStatus.FAILED, "payment_declined")

    async def is_success() -> bool:
        await call(database, ringer)
        await work_off(processor, database, payment_id)
        return (await read_payment(database, payment_id)).status is PaymentStatus.SUCCESS

    await wait_until(is_success)
    succeeded = await read_payment(database, payment_id)
    assert await write_rows(database, ONE_MORE) == 1
    await call(database, ringer)
    await work_off(processor, database, payment_id)

    assert await read_payment(database, payment_id) == succeeded
    assert await read_event_types(database, payment_id) == [
        "payment.created",
        "payment.failed",
        "payment.late_success",
        "payment.processing",
    ]
    assert await read_simulator_requests(database, payment_id) == {"authorize": 1}
    outcomes = await read_rows(database, "SELECT outcome FROM provider_callbacks ORDER BY event_id")
    assert [row["outcome"] for row in outcomes] == ["asked", "resting"]
    assert await read_audit(database) == []

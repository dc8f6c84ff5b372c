"""A rolling restart of three processors under load, twice round: no payment is later than a drain makes it."""

import asyncio
from asyncio.subprocess import Process
from contextlib import AsyncExitStack

import pytest
from tests.support.measuring import Measure
from tests.support.merchants import Merchant, ringing_merchant
from tests.support.processor_process import StartProcessor
from tests.support.records import read_rows
from tests.support.waiting import wait_until

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database

PROCESSORS, ROUNDS = 3, 2
JOB_TIMEOUT_SECONDS = 5
LATEST_SECONDS = JOB_TIMEOUT_SECONDS + 5
CREATE_EVERY_SECONDS = 0.04
START_SECONDS = 60.0
SETTINGS = {
    "PROCESSING_DELAY_MIN_MS": "1000",
    "PROCESSING_DELAY_MAX_MS": "2000",
    "JOB_TIMEOUT_SECONDS": str(JOB_TIMEOUT_SECONDS),
}
WAITED = """
SELECT
    max(extract(epoch FROM updated_at - created_at))::float8 AS latest,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM updated_at - created_at)) AS median
FROM payments
"""


@pytest.mark.alone
async def test_no_payment_is_late_for_a_rolling_restart(
    database: Database, redis_url: str, keyring: Keyring, start_processor: StartProcessor, measure: Measure
) -> None:
    payment_ids: list[str] = []
    over = asyncio.Event()
    async with AsyncExitStack() as stack, ringing_merchant(database, keyring, redis_url) as merchant:
        processes = [await stack.enter_async_context(start_processor(**SETTINGS)) for _ in range(PROCESSORS)]
        await wait_until(lambda: workers_are(database, PROCESSORS), seconds=START_SECONDS)
        creating = asyncio.create_task(keep_creating(merchant, payment_ids, over))

        for number in range(PROCESSORS * ROUNDS):
            replacement = await stack.enter_async_context(start_processor(**SETTINGS))
            await replace(database, processes[number % PROCESSORS], number)
            processes[number % PROCESSORS] = replacement

        over.set()
        await creating
        await wait_until(lambda: none_is_open(database), seconds=LATEST_SECONDS)

    [waited] = await read_rows(database, WAITED)
    measure(
        f"{len(payment_ids)} payments of 1 to 2 s: latest {waited['latest']:.1f} s after its create,"
        f" median {waited['median']:.1f} s"
    )
    assert waited["latest"] < LATEST_SECONDS
    assert await read_rows(database, "SELECT id FROM payments WHERE status <> 'success' OR attempt <> 1") == []
    asked = await read_rows(database, "SELECT payment_id, requests FROM simulator_operations ORDER BY payment_id")
    assert [(row["payment_id"], row["requests"]) for row in asked] == [(each, 1) for each in sorted(payment_ids)]


async def keep_creating(merchant: Merchant, payment_ids: list[str], over: asyncio.Event) -> None:
    while not over.is_set():
        payment_ids.append(await merchant.create())
        await asyncio.sleep(CREATE_EVERY_SECONDS)


async def replace(database: Database, old: Process, number: int) -> None:
    """Tell one to stop while its replacement starts; both have done so when this returns."""
    old.terminate()
    assert await old.wait() == 0, f"restart {number}"
    await wait_until(lambda: workers_are(database, PROCESSORS), seconds=START_SECONDS)


async def workers_are(database: Database, expected: int) -> bool:
    return len(await read_rows(database, "SELECT FROM workers")) == expected


async def none_is_open(database: Database) -> bool:
    return not await read_rows(database, "SELECT FROM payments WHERE status IN ('pending', 'processing') LIMIT 1")

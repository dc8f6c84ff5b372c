"""The simulator's account on a real PostgreSQL: the first request of a key decides, every request is counted."""

import asyncio

from tests.support.records import read_rows, write_rows

from gateway_common.db.database import Database
from gateway_common.db.gather import Gatherer
from gateway_common.simulator.model import OperationKind, SimulatedOperation, SimulatedOutcome
from gateway_common.simulator.store import find_operations, save_operations


def operation(
    key: str, outcome: SimulatedOutcome = SimulatedOutcome.APPROVED, ready_in_seconds: float | None = 5.0
) -> SimulatedOperation:
    return SimulatedOperation(
        key=key,
        kind=OperationKind.AUTHORIZE,
        payment_id="pay_1",
        amount_minor=50_000,
        currency="INR",
        outcome=outcome,
        ready_in_seconds=ready_in_seconds,
    )


async def save(database: Database, *operations: SimulatedOperation) -> list[SimulatedOperation]:
    async with database.statement() as connection:
        return await save_operations(connection, operations)


async def find(database: Database, *keys: str) -> list[SimulatedOperation | None]:
    async with database.statement() as connection:
        return await find_operations(connection, keys)


async def test_a_key_that_was_asked_before_keeps_its_first_answer_and_is_counted(database: Database) -> None:
    await save(database, operation("key_1"))

    [again] = await save(database, operation("key_1", SimulatedOutcome.PAYMENT_DECLINED, 100.0))

    assert (again.outcome, again.requests) == (SimulatedOutcome.APPROVED, 2)
    assert again.ready_in_seconds is not None
    assert 4 < again.ready_in_seconds <= 5


async def test_answers_come_in_the_order_of_the_questions(database: Database) -> None:
    await save(database, operation("key_3"), operation("key_1"), operation("key_2"))

    found = await find(database, "key_2", "key_unknown", "key_1")

    assert [each.key if each else None for each in found] == ["key_2", None, "key_1"]


async def test_the_time_that_is_left_runs_out_and_never_below_zero(database: Database) -> None:
    await save(database, operation("key_1"), operation("key_never", ready_in_seconds=None))
    await write_rows(database, "UPDATE simulator_operations SET ready_at = ready_at - interval '1 hour'")

    found = await find(database, "key_1", "key_never")

    assert [each.ready_in_seconds for each in found if each] == [0.0, None]


async def test_one_key_many_times_at_once_is_one_line_that_counts_them(database: Database) -> None:
    gatherer: Gatherer[SimulatedOperation, SimulatedOperation] = Gatherer(
        lambda operations: save(database, *operations), lanes=3
    )

    await asyncio.gather(*(gatherer.submit(operation(f"key_{number % 2}")) for number in range(20)))

    rows = await read_rows(database, "SELECT key, requests FROM simulator_operations ORDER BY key")
    assert rows == [{"key": "key_0", "requests": 10}, {"key": "key_1", "requests": 10}]

"""Rows of concurrent callers become one statement, and what goes wrong with one row is that row's own."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway_common.db.database import DatabaseUnavailableError, StatementRefusedError
from gateway_common.db.gather import Gatherer


class Table:
    """A store of numbers that doubles them, refuses negative ones, and notes each statement."""

    def __init__(self) -> None:
        self.statements: list[list[int]] = []
        self.saved: list[int] = []
        self.running = 0
        self.running_most = 0
        self.broken: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()

    async def save(self, numbers: Sequence[int]) -> list[int]:
        self.statements.append(list(numbers))
        self.begun.set()
        self.running += 1
        self.running_most = max(self.running_most, self.running)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
            if self.broken is not None:
                raise self.broken
            if any(number < 0 for number in numbers):
                raise StatementRefusedError("negative")
            self.saved += numbers
            return [number * 2 for number in numbers]
        finally:
            self.running -= 1


@pytest.fixture
def table() -> Table:
    return Table()


async def submit_all(gatherer: Gatherer[int, int], numbers: Sequence[int]) -> list[int | BaseException]:
    return await asyncio.gather(*(gatherer.submit(number) for number in numbers), return_exceptions=True)


async def test_a_lone_caller_is_saved_at_once(table: Table) -> None:
    assert await Gatherer(table.save).submit(21) == 42
    assert table.statements == [[21]]


async def test_each_caller_gets_the_outcome_of_its_own_item(table: Table) -> None:
    numbers = list(range(500))

    assert await submit_all(Gatherer(table.save), numbers) == [number * 2 for number in numbers]
    assert table.saved == numbers


async def test_callers_of_one_moment_share_statements_of_limited_size(table: Table) -> None:
    await submit_all(Gatherer(table.save, batch_max=64), range(500))

    assert len(table.statements) <= 9
    assert max(map(len, table.statements)) == 64


async def test_while_one_statement_runs_the_next_fills(table: Table) -> None:
    gatherer = Gatherer(table.save)
    table.gate.clear()
    first = asyncio.create_task(gatherer.submit(1))
    await table.begun.wait()
    others = [asyncio.create_task(gatherer.submit(number)) for number in (2, 3, 4)]
    await asyncio.sleep(0)

    table.gate.set()

    assert await asyncio.gather(first, *others) == [2, 4, 6, 8]
    assert table.statements == [[1], [2, 3, 4]]


@pytest.mark.parametrize("lanes", [1, 3])
async def test_no_more_statements_run_at_once_than_there_are_lanes(table: Table, lanes: int) -> None:
    await submit_all(Gatherer(table.save, batch_max=5, lanes=lanes), range(100))

    assert table.running_most == lanes


async def test_a_lane_that_comes_too_late_makes_no_empty_statement(table: Table) -> None:
    await submit_all(Gatherer(table.save, lanes=3), range(4))
    await asyncio.sleep(0.01)

    assert table.statements == [[0, 1, 2, 3]]


async def test_one_bad_row_harms_only_itself(table: Table) -> None:
    outcomes = await submit_all(Gatherer(table.save), [1, 2, -3, 4])

    assert outcomes[:2] + outcomes[3:] == [2, 4, 8]
    assert isinstance(outcomes[2], StatementRefusedError)
    assert sorted(table.saved) == [1, 2, 4]


async def test_no_row_is_saved_twice_when_rows_are_tried_alone(table: Table) -> None:
    await submit_all(Gatherer(table.save, batch_max=10), [-1, *range(100), -2])

    assert sorted(table.saved) == list(range(100))


async def test_an_unavailable_database_is_told_to_every_caller_and_not_asked_again(table: Table) -> None:
    table.broken = DatabaseUnavailableError("gone")

    outcomes = await submit_all(Gatherer(table.save), [1, 2, 3])

    assert all(isinstance(outcome, DatabaseUnavailableError) for outcome in outcomes)
    assert table.statements == [[1, 2, 3]]


async def test_a_bug_reaches_the_callers_and_the_gatherer_lives_on(table: Table) -> None:
    gatherer = Gatherer(table.save)
    table.broken = ZeroDivisionError("a bug")

    outcomes = await submit_all(gatherer, [1, 2])
    table.broken = None

    assert all(isinstance(outcome, ZeroDivisionError) for outcome in outcomes)
    assert await asyncio.wait_for(gatherer.submit(3), 5) == 6


async def test_a_store_that_answers_too_few_outcomes_leaves_no_caller_waiting() -> None:
    async def forgetful(numbers: Sequence[int]) -> list[int]:
        return list(numbers[1:])

    gatherer = Gatherer(forgetful)

    outcomes = await asyncio.wait_for(submit_all(gatherer, [1, 2, 3]), 5)
    again = await asyncio.wait_for(submit_all(gatherer, [4]), 5)

    assert any(isinstance(outcome, ValueError) for outcome in outcomes)
    assert isinstance(again[0], ValueError)


async def test_a_caller_that_went_away_takes_nobody_with_it(table: Table) -> None:
    gatherer = Gatherer(table.save)
    table.gate.clear()
    callers = [asyncio.create_task(gatherer.submit(number)) for number in (1, 2, 3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    callers[1].cancel()
    table.gate.set()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)

    assert (outcomes[0], outcomes[2]) == (2, 6)
    assert isinstance(outcomes[1], asyncio.CancelledError)
    assert await asyncio.wait_for(gatherer.submit(5), 5) == 10


async def test_who_comes_when_too_many_wait_is_told_to_come_again(table: Table) -> None:
    gatherer = Gatherer(table.save, batch_max=2, waiting_max=3)
    table.gate.clear()
    submitted = [asyncio.create_task(gatherer.submit(number)) for number in range(3)]
    await asyncio.sleep(0)

    with pytest.raises(DatabaseUnavailableError):
        await gatherer.submit(4)

    table.gate.set()
    assert await asyncio.gather(*submitted) == [0, 2, 4]

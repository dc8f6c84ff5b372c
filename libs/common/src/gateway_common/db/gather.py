"""Group commit in the process: rows of concurrent callers become one statement.

Round trips and Python per statement are what a row costs, not the disk: twenty rows cost little more than one.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from gateway_common.db.database import DatabaseUnavailableError, RowLockedError, StatementRefusedError

TURNS: Final = 8
"""A request that is read in this turn of the loop submits its row some turns later: routing, body, caller."""

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Gatherer(Generic[Item, Outcome]):
    """Runs `save` on batches of what callers submit; each caller gets the outcome of its own item.

    `save` is one statement, all or nothing, and answers in the order of its items. While one batch runs the next
    fills, so batches grow with the load and a lone caller never waits for company.
    """

    def __init__(
        self,
        save: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]],
        *,
        batch_max: int = 64,
        waiting_max: int = 20_000,
        lanes: int = 1,
        turns: int = TURNS,
    ) -> None:
        self._save = save
        self._batch_max = batch_max
        self._waiting_max = waiting_max
        self._lanes_free = lanes
        self._turns = turns
        self._waiting: deque[tuple[Item, asyncio.Future[Outcome]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Outcome:
        """Save one item. Raises what `save` raises; StatementRefusedError only if this very item is at fault."""
        if len(self._waiting) >= self._waiting_max:
            raise DatabaseUnavailableError("Too many requests wait for the database. Try again.")
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._lanes_free:
            self._lanes_free -= 1
            task = asyncio.create_task(self._run_lane())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _run_lane(self) -> None:
        try:
            while self._waiting:
                await _let_company_in(self._turns)
                size = min(len(self._waiting), self._batch_max)
                # Another lane may have taken them meanwhile.
                if size:
                    await self._save_batch([self._waiting.popleft() for _ in range(size)])
        finally:
            self._lanes_free += 1

    async def _save_batch(self, batch: list[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        try:
            outcomes = await self._save([item for item, _ in batch])
            answered = list(zip(batch, outcomes, strict=True))
        except (StatementRefusedError, RowLockedError) as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            # One bad row harms only itself. Nothing was written, so each row may be tried alone.
            for entry in batch:
                await self._save_batch([entry])
        except Exception as error:  # noqa: BLE001 -- it is raised again, in each caller that waits for it.
            _fail(batch, error)
        else:
            for (_, future), outcome in answered:
                if not future.done():
                    future.set_result(outcome)


async def _let_company_in(turns: int) -> None:
    """Let callers that are on their way here arrive: some turns of the loop, which cost a lone caller microseconds."""
    for _ in range(turns):
        await asyncio.sleep(0)


def _fail(batch: list[tuple[Item, asyncio.Future[Outcome]]], error: BaseException) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)

"""What a retention does, step by step, each in a transaction of its own that leaves everything as it should be."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from gateway_cli.failure import Failure
from gateway_common.db.database import Connection, Database, RowLockedError
from gateway_common.retention.model import ATTEMPTS, DELIVERIES, KeptDays, Month, Plan, Report, decide_plan
from gateway_common.retention.store import (
    analyze_month,
    attach_month,
    be_patient,
    begin_month,
    copy_astray,
    count_astray,
    count_old,
    delete_astray,
    delete_deliveries,
    delete_replays,
    drop_month,
    list_months,
    measure_month,
    note_kept_from,
    read_now,
)

BATCH: Final = 5_000
TRIES: Final = 60
PAUSE_SECONDS: Final = 1.0
"""Between two tries to lock: of each second, attempts wait a fifth at most."""


Result = TypeVar("Result")


class Keeper:
    """Does one run. Its database signs in as the tables' owner."""

    def __init__(self, database: Database, kept: KeptDays, *, tries: int = TRIES, batch: int = BATCH) -> None:
        self._database = database
        self._kept = kept
        self._tries = tries
        self._batch = batch

    async def look(self) -> tuple[Plan, Report]:
        """What a run would do now."""
        plan, astray = await self._plan()
        report = Report(made=list(plan.make), dropped=list(plan.drop))
        report.attempts_moved = sum(count for month, count in astray.items() if month in plan.make)
        report.attempts_deleted = sum(
            count for month, count in astray.items() if month.first_moment < plan.attempts_from
        )
        async with self._transaction() as connection:
            for month in plan.drop:
                report.bytes_freed += await measure_month(connection, month)
            before = plan.deliveries_from
            report.deliveries_deleted, report.replays_deleted = await count_old(connection, before=before)
        return plan, report

    async def run(self) -> tuple[Plan, Report]:
        """Do it, and what that was. What is to be there is made first; nothing goes before it is said that it may."""
        plan, astray = await self._plan()
        report = Report()
        async with self._transaction() as connection:
            await note_kept_from(connection, ATTEMPTS, plan.attempts_from)
            await note_kept_from(connection, DELIVERIES, plan.deliveries_from)
        await self._delete_astray(plan, report)
        for month in plan.make:
            report.attempts_moved += await self._make(month, has_attempts=month in astray)
            report.made.append(month)
        for month in plan.drop:
            report.bytes_freed += await self._drop(month)
            report.dropped.append(month)
        await self._delete_deliveries(plan, report)
        async with self._transaction() as connection:
            report.replays_deleted = await delete_replays(connection, before=plan.deliveries_from)
        return plan, report

    async def _plan(self) -> tuple[Plan, dict[Month, int]]:
        async with self._transaction() as connection:
            now, present = await read_now(connection), await list_months(connection)
            astray = await count_astray(connection)
        return decide_plan(now, self._kept, present=present, astray=astray), astray

    async def _make(self, month: Month, *, has_attempts: bool) -> int:
        async def begin(connection: Connection) -> None:
            await begin_month(connection)

        async def attach(connection: Connection) -> int:
            return await attach_month(connection, month)

        await self._locking(begin)
        if has_attempts:
            await self._copy(month)
        return await self._locking(attach)

    async def _copy(self, month: Month) -> None:
        after = None
        while True:
            async with self._transaction() as connection:
                after = await copy_astray(connection, month, after=after, most=self._batch)
                if after is None:
                    await analyze_month(connection)
                    return

    async def _drop(self, month: Month) -> int:
        async def drop(connection: Connection) -> int:
            size = await measure_month(connection, month)
            await drop_month(connection, month)
            return size

        return await self._locking(drop)

    async def _delete_astray(self, plan: Plan, report: Report) -> None:
        deleted = self._batch
        while deleted >= self._batch:
            async with self._transaction() as connection:
                deleted = await delete_astray(connection, before=plan.attempts_from, most=self._batch)
            report.attempts_deleted += deleted

    async def _delete_deliveries(self, plan: Plan, report: Report) -> None:
        after: str | None = ""
        while after is not None:
            async with self._transaction() as connection:
                after, deleted = await delete_deliveries(
                    connection, before=plan.deliveries_from, after=after, most=self._batch
                )
            report.deliveries_deleted += deleted

    async def _locking(self, act: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Do what locks a table, again and again until nobody is in the way for a moment; Failure."""
        for _ in range(self._tries):
            try:
                async with self._transaction() as connection:
                    return await act(connection)
            except RowLockedError:
                await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311
        raise Failure("Something long keeps the attempts' table locked, an audit maybe. Run it again later.")

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._database.transaction() as connection:
            await be_patient(connection)
            yield connection

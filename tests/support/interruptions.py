"""A connection on which something else happens between two statements, as happens to processes by chance."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from gateway_common.db.database import Connection


class _Interrupted:
    def __init__(self, connection: Connection, before: int, happen: Callable[[], Awaitable[None]]) -> None:
        self._connection = connection
        self._left = before
        self._happen = happen

    async def execute(self, *arguments: Any) -> Any:
        await self._step()
        return await self._connection.execute(*arguments)

    async def scalar(self, *arguments: Any) -> Any:
        await self._step()
        return await self._connection.scalar(*arguments)

    async def _step(self) -> None:
        self._left -= 1
        if self._left == 0:
            await self._happen()


def interrupted(connection: Connection, happen: Callable[[], Awaitable[None]], *, before: int) -> Connection:
    """The same connection, but before its statement number `before` that happens."""
    return cast("Connection", _Interrupted(connection, before, happen))

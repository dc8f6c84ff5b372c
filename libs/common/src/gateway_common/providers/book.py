"""The routing table as a process remembers it: read anew every few seconds, so that a payment costs no look-up."""

import asyncio
import time
from typing import Final

from gateway_common.db.database import Database
from gateway_common.payments.model import PaymentMethod
from gateway_common.providers.model import Route, RouteScope, by_scope, find_providers
from gateway_common.providers.store import list_routes

FRESH_SECONDS: Final = 5.0
"""So long a changed route may go unnoticed."""


class RouteBook:
    def __init__(self, database: Database, *, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._database = database
        self._fresh_seconds = fresh_seconds
        self._routes: dict[RouteScope, Route] = {}
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, *, merchant_id: str, livemode: bool, method: PaymentMethod) -> tuple[str, ...]:
        """Who may be asked for such a payment, in order; DatabaseUnavailableError."""
        if time.monotonic() - self._read_at > self._fresh_seconds:
            await self._refresh()
        return find_providers(self._routes, merchant_id=merchant_id, livemode=livemode, method=method)

    async def _refresh(self) -> None:
        async with self._lock:
            if time.monotonic() - self._read_at <= self._fresh_seconds:
                return
            async with self._database.statement() as connection:
                self._routes = by_scope(await list_routes(connection))
            self._read_at = time.monotonic()

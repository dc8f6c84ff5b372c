"""Who rings the doorbell. Ringing never waits and never fails: the sweeper finds the row in PostgreSQL anyway."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from gateway_common.logs import get_logger
from gateway_common.queue.broker import DoorbellBroker, QueueUnavailableError
from gateway_common.queue.messages import DISPATCH_WEBHOOKS, HANDLE_CALLBACKS, PROCESS_PAYMENT
from gateway_common.telemetry import RINGS

TIMEOUT_SECONDS: Final = 1.0
BREAKER_SECONDS: Final = 2.0
"""After a failed ring nobody is rung for this long: the sweeper has the rows anyway."""
COMPANY_SECONDS: Final = 0.002
"""So long the first ring waits for others: a pipeline of ten costs little more than one message."""
WAITING_MOST: Final = 10_000
BATCH_MOST: Final = 500


class Ringer:
    """Collects rings and sends them in pipelines, behind the back of whoever rang."""

    def __init__(self, payments: DoorbellBroker, webhooks: DoorbellBroker) -> None:
        self._payments = payments
        self._webhooks = webhooks
        self._waiting: dict[str, str | None] = {}
        self._webhooks_due = False
        self._callbacks_due = False
        self._wake = asyncio.Event()
        self._closed_until = 0.0
        self._log = get_logger()

    @property
    def is_failing(self) -> bool:
        """Whether the last ring failed, so that for a moment nobody is rung for."""
        return time.monotonic() < self._closed_until

    def ring_payment(self, payment_id: str, traceparent: str | None) -> None:
        if payment_id in self._waiting or len(self._waiting) < WAITING_MOST:
            self._waiting[payment_id] = traceparent
            self._wake.set()
        else:
            RINGS.labels("payments", "dropped").inc()

    def ring_webhooks(self) -> None:
        """However often this is called while a ring is on its way, it becomes one."""
        self._webhooks_due = True
        self._wake.set()

    def ring_callbacks(self) -> None:
        """Like `ring_webhooks`: many become one."""
        self._callbacks_due = True
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set; what is left then is sent last."""
        stopping = asyncio.create_task(stop.wait())
        while not stopping.done():
            waking = asyncio.create_task(self._wake.wait())
            await asyncio.wait({stopping, waking}, return_when=asyncio.FIRST_COMPLETED)
            waking.cancel()
            await asyncio.sleep(COMPANY_SECONDS)
            self._wake.clear()
            await self._flush()
        await self._flush()

    async def _flush(self) -> None:
        while self._waiting:
            batch = {name: self._waiting.pop(name) for name in list(self._waiting)[:BATCH_MOST]}
            await self._send("payments", len(batch), partial(self._ring_payments, batch))
        if self._webhooks_due:
            self._webhooks_due = False
            await self._send("webhooks", 1, partial(self._webhooks.ring, DISPATCH_WEBHOOKS, [{}], [{}]))

        if self._callbacks_due:
            self._callbacks_due = False
            await self._send("callbacks", 1, partial(self._payments.ring, HANDLE_CALLBACKS, [{}], [{}]))

    async def _ring_payments(self, batch: dict[str, str | None]) -> None:
        arguments = [{"payment_id": payment_id} for payment_id in batch]
        labels = [{"traceparent": trace} if trace else {} for trace in batch.values()]
        await self._payments.ring(PROCESS_PAYMENT, arguments, labels)

    async def _send(self, queue: str, count: int, ring: Callable[[], Awaitable[None]]) -> None:
        if self.is_failing:
            RINGS.labels(queue, "skipped").inc(count)
            return
        try:
            await asyncio.wait_for(ring(), TIMEOUT_SECONDS)
        except (QueueUnavailableError, TimeoutError) as error:
            self._closed_until = time.monotonic() + BREAKER_SECONDS
            RINGS.labels(queue, "failed").inc(count)
            self._log.warning("ring.failed", queue=queue, error=str(error) or type(error).__name__)
        else:
            RINGS.labels(queue, "sent").inc(count)

"""The processor's Taskiq tasks: they only translate a ring into a call."""

import contextlib

from gateway_common.db.database import DatabaseUnavailableError
from gateway_common.queue.broker import DoorbellBroker
from gateway_common.queue.messages import HANDLE_CALLBACKS, PROCESS_PAYMENT
from gateway_common.telemetry import JOBS, JOBS_RUNNING
from gateway_processor.callbacks import CallbackHandler
from gateway_processor.payments import PaymentProcessor


def register_tasks(broker: DoorbellBroker, processor: PaymentProcessor, *, concurrency: int) -> None:
    """Answer rings with `processor`, at most `concurrency` at once."""
    running: set[object] = set()
    broker.read_at_most(lambda: concurrency - len(running))

    @broker.task(task_name=PROCESS_PAYMENT)
    async def process_payment(payment_id: str) -> None:
        job = object()
        running.add(job)
        JOBS_RUNNING.set(len(running))
        try:
            await processor.process(payment_id)
        except DatabaseUnavailableError:
            # The row is still due, or its lease runs out: the sweeper rings when the database is back.
            JOBS.labels("none", "database_unavailable").inc()
        finally:
            running.discard(job)
            JOBS_RUNNING.set(len(running))


def register_callback_task(broker: DoorbellBroker, handler: CallbackHandler) -> None:
    """Answer rings for callbacks with `handler`. They take no slot: it asks no provider."""

    @broker.task(task_name=HANDLE_CALLBACKS)
    async def handle_callbacks() -> None:
        # Without a database they stay due, and the handler's loop looks again.
        with contextlib.suppress(DatabaseUnavailableError):
            await handler.handle()

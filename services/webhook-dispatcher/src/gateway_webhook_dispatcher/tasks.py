"""The dispatcher's Taskiq task: a ring only says that something is due."""

from gateway_common.queue.broker import DoorbellBroker
from gateway_common.queue.messages import DISPATCH_WEBHOOKS
from gateway_webhook_dispatcher.dispatcher import Dispatcher

RING_SLOTS = 64
"""Rings read at once; they coalesce into one look."""


def register_tasks(broker: DoorbellBroker, dispatcher: Dispatcher) -> None:
    broker.read_at_most(lambda: RING_SLOTS)

    @broker.task(task_name=DISPATCH_WEBHOOKS)
    async def dispatch_webhooks() -> None:
        dispatcher.wake()

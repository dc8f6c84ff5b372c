"""Streams, task names and what a message holds: a task's name, an id, a trace context. Never more."""

from typing import Final

GROUP: Final = "gateway"
PAYMENTS_STREAM: Final = "gateway:payments:0"
WEBHOOKS_STREAM: Final = "gateway:webhooks:0"
"""The number is the shard: a stream lives on one Redis node, so more of them is how to grow."""

PROCESS_PAYMENT: Final = "payments.process"
"""Carries the payment's id: look at this payment, something about it is due."""
HANDLE_CALLBACKS: Final = "callbacks.handle"
"""Carries nothing: some callback of a provider is due. Goes with the payments, for whoever works on them."""
DISPATCH_WEBHOOKS: Final = "webhooks.dispatch"
"""Carries nothing: some delivery is due. The dispatcher finds which by itself, fairly."""

"""The merchant's inbox: every webhook that arrives is verified, and one can wait for a certain one."""

import asyncio
import json
import time
from typing import Any

from gateway_cli.demo.receiver import Receiver
from gateway_cli.demo.signatures import verify_body_signature, verify_standard_webhook
from gateway_cli.failure import Failure


class Inbox:
    """The webhooks of one endpoint, by what they say about which object."""

    def __init__(self, receiver: Receiver, secret: str, patience_seconds: float) -> None:
        self._receiver = receiver
        self._secret = secret
        self._patience_seconds = patience_seconds
        self._events: dict[tuple[str, str], dict[str, Any]] = {}

    @property
    def count(self) -> int:
        """How many different events have come and held."""
        return len(self._events)

    async def wait_for(self, event_type: str, object_id: str) -> dict[str, Any]:
        """Return the event of this type about this object, once it is here and both its signatures hold."""
        try:
            async with asyncio.timeout(self._patience_seconds):
                while (event_type, object_id) not in self._events:
                    await self._take_one()
        except TimeoutError:
            sentence = f"The webhook {event_type} for {object_id} did not arrive within {self._patience_seconds:.0f} s."
            raise Failure(sentence) from None
        return self._events[event_type, object_id]

    async def _take_one(self) -> None:
        received = await self._receiver.inbox.get()
        event: dict[str, Any] = json.loads(received.body)
        if not verify_body_signature(self._secret, received.headers, received.body):
            raise Failure(f"The X-Webhook-Signature of {event['id']} does not hold.")
        if not verify_standard_webhook(self._secret, received.headers, received.body, now=time.time()):
            raise Failure(f"The Standard Webhooks signature of {event['id']} does not hold.")
        (snapshot,) = event["data"].values()
        self._events[event["type"], snapshot["id"]] = event

"""What the dispatcher's tests share: a receiver in their own loop, and dispatchers as worker.py puts them together."""

from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
from tests.support.dispatchers import Running, start_dispatcher
from tests.support.receiver import Receiver, running_receiver

from gateway_common.clock import system_clock
from gateway_common.crypto import Keyring
from gateway_webhook_dispatcher.client import WebhookClient
from gateway_webhook_dispatcher.guard import Guard

StartDispatcher = Callable[..., Running]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running


@pytest.fixture
async def dispatcher(database_url: str, keyring: Keyring) -> AsyncIterator[StartDispatcher]:
    """Starts a dispatcher; whatever still runs at the end is stopped."""
    started: list[Running] = []
    yield partial(start_dispatcher, database_url, keyring, started)
    for running in started:
        await running.close()


@pytest.fixture
async def client() -> AsyncIterator[WebhookClient]:
    """A client with a short deadline that may reach this machine."""
    client = WebhookClient(
        guard=Guard(allow_private_networks=True), kept_connections=8, timeout_seconds=1, clock=system_clock
    )
    yield client
    await client.close()

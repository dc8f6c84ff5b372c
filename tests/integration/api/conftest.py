"""The API of one test, on a database and a Redis of its own, and a processor for what is to happen behind it."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from tests.support.api import Api, running_api
from tests.support.doorbell import bell
from tests.support.processing import Process, new_processor, work_off

from gateway_common.queue.messages import WEBHOOKS_STREAM
from gateway_common.queue.ringer import Ringer


@pytest.fixture
async def api(database_url: str, redis_url: str, master_key: str) -> AsyncIterator[Api]:
    async with running_api(database_url, redis_url, master_key) as api:
        yield api


@pytest.fixture
async def ringer(redis_url: str) -> AsyncIterator[Ringer]:
    """A ringer that nobody runs: the processor of these tests is asked directly."""
    async with bell(redis_url) as payments, bell(redis_url, WEBHOOKS_STREAM) as webhooks:
        yield Ringer(payments, webhooks)


@pytest.fixture
def process(api: Api, ringer: Ringer) -> Process:
    return partial(work_off, new_processor(api.database, ringer), api.database)

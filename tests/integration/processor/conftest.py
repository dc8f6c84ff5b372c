"""What the processor's tests share: a ringer nobody runs (its rings wait and can be read), and the test merchant."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from tests.support.doorbell import bell
from tests.support.merchants import Merchant
from tests.support.processor_process import StartProcessor, processor_process

from gateway_common.crypto import Keyring
from gateway_common.db.database import Database
from gateway_common.queue.messages import WEBHOOKS_STREAM
from gateway_common.queue.ringer import Ringer


@pytest.fixture
async def ringer(redis_url: str) -> AsyncIterator[Ringer]:
    async with bell(redis_url) as payments, bell(redis_url, WEBHOOKS_STREAM) as webhooks:
        yield Ringer(payments, webhooks)


@pytest.fixture
def merchant(database: Database, keyring: Keyring, ringer: Ringer) -> Merchant:
    return Merchant(database, keyring, ringer)


@pytest.fixture
def start_processor(database_url: str, redis_url: str, master_key: str) -> StartProcessor:
    return partial(processor_process, database_url, redis_url, master_key)

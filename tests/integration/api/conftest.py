"""The API of one test, on a database and a Redis of its own."""

from collections.abc import AsyncIterator

import pytest
from tests.support.api import Api, running_api


@pytest.fixture
async def api(database_url: str, redis_url: str, master_key: str) -> AsyncIterator[Api]:
    async with running_api(database_url, redis_url, master_key) as api:
        yield api

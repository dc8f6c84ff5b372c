"""localstripe, once for all tests of these folders, and the door before it, one for each test."""

from collections.abc import Iterator

import pytest
from tests.support.localstripe import Door, door_in_thread, running_localstripe


@pytest.fixture(scope="session")
def localstripe_url() -> Iterator[str]:
    with running_localstripe() as url:
        yield url


@pytest.fixture
def door(localstripe_url: str) -> Iterator[Door]:
    with door_in_thread(localstripe_url) as door:
        yield door

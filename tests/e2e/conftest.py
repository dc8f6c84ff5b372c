"""What the tests against the real stack share: the stack itself, a merchant, and a database to look into."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest
from tests.support.http_merchant import merchant_client
from tests.support.payment_rows import Rows
from tests.support.receiver import Receiver, receiver_in_thread
from tests.support.stack import LiveStack, live_stack


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest) -> Iterator[LiveStack]:
    """The real stack, once per module.

    A module's STACK_ENVIRONMENT is handed to the services; STACK_WITHOUT names services it has no use for.
    """
    environment = getattr(request.module, "STACK_ENVIRONMENT", {})
    with live_stack(environment, without=getattr(request.module, "STACK_WITHOUT", ())) as running:
        yield running


@pytest.fixture
def merchant(stack: LiveStack) -> Iterator[httpx.Client]:
    """The test merchant's server, as a client of the API."""
    with merchant_client(stack.api_url) as client:
        yield client


@pytest.fixture
def rows(stack: LiveStack) -> Iterator[Rows]:
    """What PostgreSQL says; survives its restarts."""
    rows = Rows(lambda: psycopg.connect(stack.owner_url, autocommit=True))
    yield rows
    rows.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiver_in_thread() as running:
        yield running

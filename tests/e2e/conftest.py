"""What the tests against the real stack share: the stack itself, a merchant, a database to look into, and numbers."""

from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from tests.support.http_merchant import merchant_client
from tests.support.measuring import Measure, measured
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


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Measure:
    """Keeps a measured number for the end of the run."""
    name = request.node.name.removeprefix("test_").replace("_", " ")

    def keep(text: str) -> None:
        measured.append(f"{name}: {text}")

    return keep


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if measured:
        terminalreporter.section("measured")
        for line in measured:
            terminalreporter.write_line(line)

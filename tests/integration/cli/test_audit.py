"""`gateway audit` as a process: its sentence, a line for each row, and the exit status a script goes by."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.cli.conftest import Command
from tests.support.history import History, corrupt, write_history

from gateway_common.audit.model import CHECKS, FINDINGS_MOST

Start = Callable[..., Command]
NO_CAPTURED_EVENT = "UPDATE events SET type = 'ping' WHERE type = 'payment.captured'"


@pytest.fixture
def history(owner_url: str) -> History:
    return write_history(owner_url)


def ended(command: Command, status: int) -> Command:
    assert command.process.wait(60) == status, command.output + command.errors
    return command


def test_a_clean_database_is_one_sentence(gateway: Start, database_url: str, history: History) -> None:
    command = ended(gateway("audit", DATABASE_URL=database_url), 0)

    assert history["paid"] not in command.output
    assert command.output.startswith(f"All {len(CHECKS)} checks hold (5 payments, 3 refunds, 2 orders in ")
    assert command.output.count("\n") == 1


def test_each_broken_row_is_a_line(gateway: Start, owner_url: str, database_url: str, history: History) -> None:
    corrupt(owner_url, history, NO_CAPTURED_EVENT)
    command = ended(gateway("audit", DATABASE_URL=database_url), 1)

    lines = command.output.splitlines()
    assert lines[0] == f"event_missing  {history['paid']}: no event payment.captured"
    assert lines[1].startswith(f"1 of {len(CHECKS)} checks are broken (5 payments, ")
    assert lines[2:] == ["  event_missing (1): Each change of a payment, refund or order has its event."]
    assert command.errors == ""


def test_a_program_gets_the_same_as_json(gateway: Start, owner_url: str, database_url: str, history: History) -> None:
    corrupt(owner_url, history, NO_CAPTURED_EVENT)
    report = json.loads(ended(gateway("audit", "--json", DATABASE_URL=database_url), 1).output)

    [broken] = [check for check in report["checks"] if check["count"]]
    assert broken["name"] == "event_missing"
    assert broken["findings"] == [{"subject": history["paid"], "detail": "no event payment.captured"}]
    assert report["holds"] is False
    assert report["rows"] == {"payments": 5, "refunds": 3, "orders": 2}


def test_what_is_not_named_is_counted(gateway: Start, owner_url: str, database_url: str, history: History) -> None:
    many = """
    INSERT INTO events (id, merchant_id, livemode, type, object_id, body, created_at)
    SELECT 'evt_' || number, 'mer_test', false, 'ping', 'x', '', now() - interval '1 hour'
    FROM generate_series(1, 1250) AS number
    """
    corrupt(owner_url, history, many)
    lines = ended(gateway("audit", DATABASE_URL=database_url), 1).output.splitlines()

    assert lines[FINDINGS_MOST] == "event_sequence_gap  and 1,150 more"


def test_only_what_was_made_since_is_asked(gateway: Start, owner_url: str, database_url: str) -> None:
    history = write_history(owner_url, datetime.now(UTC) - timedelta(days=2))
    corrupt(owner_url, history, NO_CAPTURED_EVENT)

    assert "(0 payments, " in ended(gateway("audit", "--since", "24h", DATABASE_URL=database_url), 0).output
    assert history["paid"] in ended(gateway("audit", "--since", "7d", DATABASE_URL=database_url), 1).output


@pytest.mark.parametrize(
    ("arguments", "url", "sentence"),
    [
        ((), None, "Set DATABASE_URL first."),
        ((), "mysql://db/gateway", "DATABASE_URL must be a postgresql:// address."),
        ((), "postgresql://nobody@127.0.0.1:1/nothing", "The database of DATABASE_URL can't be used: "),
        (("--since", "yesterday"), "postgresql://nobody@127.0.0.1:1/nothing", "--since must be a number of minutes"),
    ],
)
def test_what_could_not_be_asked_is_not_a_finding(
    gateway: Start, arguments: tuple[str, ...], url: str | None, sentence: str
) -> None:
    command = ended(gateway("audit", *arguments, **({"DATABASE_URL": url} if url else {})), 2)

    assert command.output == ""
    assert command.errors.startswith(f"gateway: {sentence}")
    assert command.errors.count("\n") == 1


def test_a_database_without_the_tables_is_one_sentence(gateway: Start, postgres_url: str) -> None:
    server = postgres_url.rpartition("/")[0]
    command = ended(gateway("audit", DATABASE_URL=f"{server}/postgres"), 2)

    assert command.errors == "gateway: The database can't be audited, not migrated: run `gateway migrate`.\n"

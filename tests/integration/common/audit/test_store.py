"""The audit is silent on a clean history, and of each planted corruption it names the row, and nothing else."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from tests.support.corruptions import CORRUPTIONS, Corruption
from tests.support.history import MERCHANT, History, corrupt, write_history
from tests.support.records import write_rows

from gateway_common.audit.model import CHECKS, FINDINGS_MOST, Report
from gateway_common.audit.store import audit
from gateway_common.db.database import Database

LEASE_LIMIT_SECONDS = 35.0
DAY = timedelta(days=1)


async def ask(database: Database, since: datetime | None = None) -> Report:
    async with database.snapshot(timeout_seconds=30) as connection:
        return await audit(connection, since=since, lease_limit_seconds=LEASE_LIMIT_SECONDS)


def named(report: Report) -> set[tuple[str, str]]:
    return {(finding.check, finding.subject) for result in report.results for finding in result.findings}


@pytest.fixture
def history(owner_url: str) -> History:
    return write_history(owner_url)


@pytest.mark.parametrize("since", [None, DAY, timedelta(0)])
async def test_a_clean_history_breaks_no_check(database: Database, history: History, since: timedelta | None) -> None:
    assert history.last_number == 20
    report = await ask(database, None if since is None else datetime.now(UTC) - since)

    assert named(report) == set()
    assert [result.check for result in report.results] == list(CHECKS)
    assert report.rows == dict.fromkeys(report.rows, 0) if since == timedelta(0) else report.rows["payments"] == 5


async def test_an_empty_database_breaks_no_check(database: Database) -> None:
    assert named(await ask(database)) == set()


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: f"{corruption.check}: {corruption.detail}")
async def test_a_planted_corruption_is_found_and_names_the_row(
    database: Database, owner_url: str, history: History, corruption: Corruption
) -> None:
    corrupt(owner_url, history, corruption.planted, balances_follow=corruption.balances_follow)

    report = await ask(database)

    assert named(report) == {(corruption.check, history.fill(corruption.subject))}
    [broken] = report.broken
    assert broken.count == len(broken.findings)
    assert any(history.fill(corruption.detail) in finding.detail for finding in broken.findings), broken.findings


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: f"{corruption.check}: {corruption.detail}")
async def test_a_window_of_a_day_finds_it_too(
    database: Database, owner_url: str, history: History, corruption: Corruption
) -> None:
    corrupt(owner_url, history, corruption.planted, balances_follow=corruption.balances_follow)

    found = named(await ask(database, datetime.now(UTC) - DAY))

    assert ((corruption.check, history.fill(corruption.subject)) in found) is corruption.seen_in_window


def test_each_check_has_a_planted_corruption() -> None:
    assert {corruption.check for corruption in CORRUPTIONS} == {check.name for check in CHECKS}


async def test_a_window_leaves_out_what_is_older(database: Database, owner_url: str) -> None:
    history = write_history(owner_url, datetime.now(UTC) - 2 * DAY)
    corrupt(owner_url, history, "UPDATE events SET type = 'ping' WHERE type = 'payment.captured'")

    assert named(await ask(database)) == {("event_missing", history["paid"])}
    assert named(await ask(database, datetime.now(UTC) - DAY)) == set()


async def test_balances_that_do_not_sum_to_zero_are_found_in_any_window(
    database: Database, owner_url: str, history: History
) -> None:
    corrupt(owner_url, history, "UPDATE ledger_balances SET amount_minor = 1 WHERE account = 'fees'")

    assert named(await ask(database, datetime.now(UTC))) == {("ledger_balance_wrong", MERCHANT)}


async def test_a_late_success_that_is_refunded_at_once_does_not_count_against_its_order(
    database: Database, owner_url: str, history: History
) -> None:
    late = """
    UPDATE payments SET bound_order_id = '{paid_order}', capture_status = 'pending', capture_number = 1,
        amount_captured_minor = 50000, amount_refund_reserved_minor = 50000 WHERE id = '{authorized}';
    INSERT INTO refunds SELECT '{pending}x', '{authorized}', merchant_id, livemode, 50000, currency, reason, metadata,
        'pending', NULL, NULL, 1, now(), now() FROM refunds WHERE id = '{pending}';
    """
    corrupt(owner_url, history, late)

    assert "order_wrong" not in {check for check, _ in named(await ask(database))}


async def test_more_rows_than_are_named_are_counted(database: Database, owner_url: str, history: History) -> None:
    many = f"""
    INSERT INTO events (id, merchant_id, livemode, type, object_id, body, created_at)
    SELECT 'evt_f' || number, 'mer_test', false, 'ping', 'x', '', now() - interval '1 hour'
    FROM generate_series(1, {FINDINGS_MOST + 50}) AS number
    """
    corrupt(owner_url, history, many)

    [broken] = (await ask(database)).broken
    assert (broken.count, len(broken.findings)) == (FINDINGS_MOST + 50, FINDINGS_MOST)


async def test_all_checks_see_one_moment(database: Database, owner_url: str, history: History) -> None:
    async with database.snapshot(timeout_seconds=30) as connection:
        before = await audit(connection, since=None, lease_limit_seconds=LEASE_LIMIT_SECONDS)
        await asyncio.to_thread(corrupt, owner_url, history, "UPDATE events SET type = 'ping'")
        after = await audit(connection, since=None, lease_limit_seconds=LEASE_LIMIT_SECONDS)

    assert before == after
    assert named(await ask(database)) != set()


async def test_rows_that_change_while_it_runs_are_not_waited_for(
    database: Database, owner_url: str, history: History
) -> None:
    with psycopg.connect(owner_url) as other:
        other.execute("UPDATE payments SET needs_attention = true")
        assert named(await asyncio.wait_for(ask(database), 10)) == set()
    assert await write_rows(database, "UPDATE payments SET needs_attention = false") == len(
        [name for name in history.ids if history[name].startswith("pay_")]
    )

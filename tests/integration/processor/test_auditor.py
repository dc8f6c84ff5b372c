"""The audit of the last day by one of the processors: what it exports, what it logs, and whose turn it is."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs
from tests.support.history import History, corrupt, write_history
from tests.support.processor_process import StartProcessor
from tests.support.records import LEASE_LIMIT_SECONDS, write_rows
from tests.support.waiting import wait_until

from gateway_cli.local.ports import find_free_ports
from gateway_common.audit.model import CHECKS
from gateway_common.clock import system_clock
from gateway_common.db.database import Database
from gateway_common.telemetry import AUDIT_COMPLETED, AUDIT_FINDINGS
from gateway_common.workers.store import renew_worker
from gateway_processor.auditor import Auditor

MISSING = "UPDATE events SET type = 'ping' WHERE type = 'payment.captured'"


def auditor(database: Database, worker_id: str = "wrk_1") -> Auditor:
    return Auditor(
        database,
        worker_id=worker_id,
        service="processor",
        lease_limit_seconds=LEASE_LIMIT_SECONDS,
        clock=system_clock,
    )


def exported(check: str) -> float | None:
    return REGISTRY.get_sample_value("gateway_audit_findings", {"check": check})


def completed() -> float | None:
    return REGISTRY.get_sample_value("gateway_audit_completed_timestamp_seconds", {"window": "1d"})


def forget() -> None:
    """What this process exported for one test is nothing to the next."""
    AUDIT_FINDINGS.clear()
    AUDIT_COMPLETED.clear()


@pytest.fixture
async def history(database: Database, owner_url: str) -> AsyncIterator[History]:
    """A history that one processor has not written alone: `wrk_live`, which sorts behind those of the tests."""
    async with database.statement() as connection:
        await renew_worker(connection, "wrk_1", "processor")
    yield write_history(owner_url)
    forget()


async def test_findings_are_exported_and_logged(database: Database, owner_url: str, history: History) -> None:
    corrupt(owner_url, history, MISSING)
    with capture_logs() as logs:
        await auditor(database).audit()

    assert exported("event_missing") == 1
    assert {exported(check.name) for check in CHECKS if check.name != "event_missing"} == {0}
    assert completed() == pytest.approx(datetime.now(UTC).timestamp(), abs=30)
    assert logs == [
        {
            "event": "audit.broken",
            "log_level": "warning",
            "check": "event_missing",
            "count": 1,
            "findings": [f"{history['paid']}: no event payment.captured"],
        }
    ]


async def test_a_clean_history_is_no_line_in_the_log(database: Database, history: History) -> None:
    with capture_logs() as logs:
        await auditor(database).audit()

    assert history.last_number == 20
    assert logs == []
    assert exported("event_missing") == 0


async def test_rows_older_than_a_day_are_left_to_the_whole_audit(database: Database, owner_url: str) -> None:
    history = write_history(owner_url, datetime.now(UTC) - timedelta(days=2))
    corrupt(owner_url, history, MISSING)
    await auditor(database, "wrk_live").audit()

    assert exported("event_missing") == 0
    forget()


async def test_only_the_oldest_of_the_live_processors_audits(
    database: Database, owner_url: str, history: History
) -> None:
    corrupt(owner_url, history, MISSING)
    async with database.statement() as connection:
        await renew_worker(connection, "wrk_0", "webhook-dispatcher")

    await auditor(database, "wrk_live").audit()
    assert exported("event_missing") is None
    assert completed() is None

    await auditor(database, "wrk_1").audit()
    assert exported("event_missing") == 1


async def test_the_next_takes_over_from_one_that_fell_silent_which_then_tells_nothing_old(
    database: Database, owner_url: str, history: History
) -> None:
    corrupt(owner_url, history, MISSING)
    await auditor(database, "wrk_1").audit()
    assert exported("event_missing") == 1
    await write_rows(database, "UPDATE workers SET seen_at = now() - interval '16 seconds' WHERE id = 'wrk_1'")

    await auditor(database, "wrk_1").audit()
    assert exported("event_missing") is None
    assert completed() is None
    await auditor(database, "wrk_live").audit()
    assert exported("event_missing") == 1
    assert completed() is not None


async def test_the_process_exports_it(owner_url: str, start_processor: StartProcessor) -> None:
    history = write_history(owner_url, datetime.now(UTC) - timedelta(hours=1))
    corrupt(owner_url, history, MISSING + "; DELETE FROM workers")
    [port] = find_free_ports(1)

    async def findings() -> dict[str, Any]:
        async with httpx.AsyncClient() as client:
            try:
                metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
            except httpx.TransportError:
                return {}
        return {
            sample.labels["check"]: sample.value
            for family in text_string_to_metric_families(metrics)
            for sample in family.samples
            if sample.name == "gateway_audit_findings"
        }

    async def is_found() -> bool:
        return (await findings()).get("event_missing") == 1

    async with start_processor(AUDIT_EVERY_SECONDS="1", METRICS_PORT=str(port)) as process:
        await wait_until(is_found)
        process.terminate()
        assert await process.wait() == 0

"""Processors die by SIGKILL at every step of every operation while payments come in; then the books are read.

`make test` lets each cell of the matrix happen once. `make crash` takes a thousand kills (KILLS=, SEED=), and with
`LEASE=15` a dead worker is silent for as long as by default before others take over.
"""

import os
from collections import Counter
from pathlib import Path

import pytest
from tests.support.crash_plan import CELLS, plan_kills
from tests.support.crash_run import NEIGHBOURS, crash
from tests.support.measuring import Measure

from gateway_common.db.database import Database
from gateway_common.workers.store import SILENT_AFTER_SECONDS

KILLS = int(os.environ.get("CRASH_KILLS", len(CELLS)))
SEED = int(os.environ.get("CRASH_SEED", "1"))
LEASE_SECONDS = float(os.environ.get("CRASH_LEASE", "0"))
RESUMED_WITHIN_SECONDS = 20.0


@pytest.fixture
def settings(database_url: str, redis_url: str, master_key: str) -> dict[str, str]:
    short = {} if LEASE_SECONDS >= SILENT_AFTER_SECONDS else {"JOB_TIMEOUT_SECONDS": "2"}
    return short | {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "GATEWAY_MASTER_KEY": master_key,
        "TEST_MODE": "true",
        "HOST": "127.0.0.1",
        "LOG_LEVEL": "ERROR",
        "PROCESSING_DELAY_MIN_MS": "50",
        "PROCESSING_DELAY_MAX_MS": "200",
        "SIMULATOR_FAULTS": "duplicate_callback=0.3,lost_answer=0.02",
    }


async def test_wherever_a_processor_is_killed_no_payment_is_lost_and_none_done_twice(
    database: Database, settings: dict[str, str], tmp_path: Path, measure: Measure
) -> None:
    silent_after_seconds = (LEASE_SECONDS, LEASE_SECONDS) if LEASE_SECONDS else (1.0, 2.0)
    plan = plan_kills(SEED, KILLS, silent_after_seconds=silent_after_seconds)
    # With short leases all die all the time. How soon others go on is only to be seen where others live.
    deadly = 1 if LEASE_SECONDS else NEIGHBOURS

    report = await crash(database, settings, plan, tmp_path, seed=SEED, deadly=deadly)

    measure(f"from seed {SEED}, {report}")
    assert report.unplanned_ends == []
    assert Counter((kill.row, kill.column) for kill in plan) <= Counter(
        (death.row, death.column) for death in report.deaths
    )
    assert report.wrong_ends == []
    assert report.done_twice == []
    assert report.audit == []
    assert [each for each in report.resumed if each.seconds is None or each.seconds > RESUMED_WITHIN_SECONDS] == []
    assert report.errors == []

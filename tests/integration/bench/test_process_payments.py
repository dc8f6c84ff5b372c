"""The benches of processing run, and every payment of theirs is done once. Speed is no test's business."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.alone
ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_bench_compares_with_no_op_jobs_and_a_payment_takes_three_statements() -> None:
    printed = run("bench.process_payments", "--rounds", "1", "--payments", "200")

    assert re.search(r"^ratio \d\.\d\d of no-op jobs on our broker", printed, re.MULTILINE)
    alone = re.search(r"^of the gateway +(\d+\.\d\d)", printed, re.MULTILINE)
    assert alone is not None
    assert float(alone[1]) == 3.0
    assert re.search(r"^630 payments stored, each one claimed, asked for and recorded once$", printed, re.MULTILINE)


def test_all_payments_wait_at_once_and_two_processes_share_a_backlog() -> None:
    printed = run("bench.waiting_payments", "--waiting", "100", "--slots", "20", "--delay-ms", "1000", "1500")

    assert re.search(r"^100 payments wait at once in one process", printed, re.MULTILINE)
    assert re.search(r"^20 slots: ", printed, re.MULTILINE)
    shared = re.search(r"^two processes shared 200: (\d+) and (\d+)", printed, re.MULTILINE)
    assert shared is not None
    assert int(shared[1]) + int(shared[2]) == 200
    assert min(map(int, shared.groups())) >= 50


def test_a_backlog_is_drained_without_a_flood_of_rings() -> None:
    printed = run("bench.backlog", "--payments", "3000")

    assert printed.count("each one claimed, asked for and recorded once") == 2
    assert "flood" not in printed

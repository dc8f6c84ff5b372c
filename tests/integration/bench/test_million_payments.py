"""The bench of full tables runs, and no request of it reads a table from end to end. Speed is no test's business."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.alone
ROOT = Path(__file__).resolve().parents[3]


def test_no_request_reads_a_whole_table() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.million_payments", "--rows", "50000", "--requests", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^full: 0 scans of a whole table", done.stdout, re.MULTILINE)
    assert re.search(r"^worst ratio \d+\.\d\d", done.stdout, re.MULTILINE)

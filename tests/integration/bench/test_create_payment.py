"""The bench of creates runs, finds a row for every 201, and says how the API compares. Speed is no test's business."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.alone
ROOT = Path(__file__).resolve().parents[3]


def test_the_bench_compares_and_proves_its_payments() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.create_payment", "--rounds", "1", "--seconds", "1", "--connections", "8"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^ratio \d\.\d\d of the bare route", done.stdout, re.MULTILINE)
    counted = re.search(
        r"^(\d+) answers 201: (\d+) payments, (\d+) events, (\d+) idempotency_keys, (\d+) rings",
        done.stdout,
        re.MULTILINE,
    )
    assert counted is not None
    assert int(counted[1]) > 0
    assert set(counted.groups()) == {counted[1]}

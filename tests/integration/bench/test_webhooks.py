"""The benches of webhooks run, and every delivery of theirs is made once. Speed is no test's business."""

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


def test_the_bench_compares_with_bare_loops_and_a_delivery_takes_three_statements() -> None:
    sizes = ("--rounds", "1", "--events", "200", "--endpoints", "10", "--hosts", "10", "--seconds", "2")
    printed = run("bench.deliver_webhooks", *sizes)

    assert re.search(r"^ratio \d+\.\d\d of bare aiohttp, .*; \d+\.\d\d of bare httpx", printed, re.MULTILINE)
    assert re.search(
        r"^200 events a second for 2 s: commit to first byte p50 \d+\.\d ms, p99 \d+\.\d ms", printed, re.MULTILINE
    )
    counted = re.search(r"^in all, alone without the last 2 +(\d+\.\d\d) +(\d+\.\d\d)", printed, re.MULTILINE)
    assert counted is not None
    assert max(map(float, counted.groups())) <= 3.0
    assert re.search(r"^1030 deliveries stored, each delivered by its first attempt$", printed, re.MULTILINE)


def test_the_others_webhooks_arrive_beside_one_that_never_answers() -> None:
    printed = run("bench.isolation", "--rounds", "1", "--merchants", "4", "--seconds", "3", "--due", "2000")

    assert re.search(r"^ratio of p99 \d+\.\d\d, [+-]\d+\.\d ms", printed, re.MULTILINE)
    silent = re.search(r"^  the silent one: .* (\d+) deliveries wait", printed, re.MULTILINE)
    assert silent is not None
    assert int(silent[1]) >= 2000


def test_retries_are_never_early_and_no_look_reads_a_whole_table() -> None:
    sizes = ("--waiting", "20000", "--endpoints", "500", "--per-second", "50", "--seconds", "4", "--idle-seconds", "1")
    printed = run("bench.million_deliveries", *sizes)

    assert re.search(r"^200 deliveries fell due within 4 s.* p99 \d+ ms", printed, re.MULTILINE)
    assert re.search(r"^  a claim of 128 that are due: .*128 claimed", printed, re.MULTILINE)


def test_exhausted_deliveries_are_replayed_at_the_endpoints_limit() -> None:
    printed = run("bench.replay_webhooks", "--deliveries", "400", "--rate", "200")

    assert re.search(r"done +total 400 queued 400 waiting 0, arrived 400$", printed, re.MULTILINE)
    assert re.search(r"^400 webhooks in \d+\.\d s, \d+\.\d a second, limit 200", printed, re.MULTILINE)

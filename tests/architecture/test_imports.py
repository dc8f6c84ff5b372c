"""Who may import whom: the contracts of pyproject.toml hold, and each is shown to fail on one planted line."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.architecture.source import ROOT

CONFIGURATION: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS: list[dict[str, Any]] = CONFIGURATION["contracts"]
VERDICT = re.compile(r"^(?P<name>.+) (?P<verdict>KEPT|BROKEN)(?: \(.*\))?$", re.MULTILINE)

# The contract that must break, the file, and the line planted at its end.
PLANTED = [
    ("services-stand-apart", "gateway_api/__init__.py", "import gateway_processor"),
    ("services-stand-apart", "gateway_cli/__init__.py", "import gateway_api"),
    ("services-stand-apart", "gateway_common/money.py", "import gateway_webhook_dispatcher"),
    ("pages-see-only-the-api", "gateway_dashboard/__init__.py", "import gateway_common.payments.model"),
    ("pages-see-only-the-api", "gateway_dashboard/__init__.py", "import gateway_common.db.database"),
    ("pages-see-only-the-api", "gateway_sdk/__init__.py", "import gateway_common.queue"),
    ("pages-see-only-the-api", "gateway_dashboard/__init__.py", "import redis"),
    ("nouns-in-order", "gateway_common/money.py", "import gateway_common.db.database"),
    ("nouns-in-order", "gateway_common/db/__init__.py", "import gateway_common.merchants.model"),
    ("nouns-in-order", "gateway_common/payments/model.py", "import gateway_common.refunds.model"),
    ("nouns-in-order", "gateway_common/webhooks/model.py", "import gateway_common.payments.model"),
    ("nouns-in-order", "gateway_common/disputes.py", "import gateway_common.money"),
    ("no-rings", "gateway_common/db/database.py", "import gateway_common.db.gather"),
    ("no-rings", "gateway_common/payments/model.py", "import gateway_common.payments.store"),
    ("rules-are-pure", "gateway_common/payments/model.py", "import sqlalchemy"),
    ("rules-are-pure", "gateway_common/refunds/model.py", "import gateway_common.db.database"),
    ("rules-are-pure", "gateway_common/money.py", "import httpx"),
    ("rules-are-pure", "gateway_common/webhooks/signing.py", "import fastapi"),
    ("rules-are-pure", "gateway_common/webhooks/schedule.py", "import taskiq"),
    ("sql-lives-in-stores", "gateway_api/__init__.py", "from sqlalchemy import text"),
    ("sql-lives-in-stores", "gateway_common/payments/model.py", "import sqlalchemy.dialects.postgresql"),
    ("one-door-to-postgresql", "gateway_common/payments/store.py", "import psycopg"),
    ("one-door-to-postgresql", "gateway_processor/__init__.py", "from psycopg.rows import dict_row"),
    ("one-door-to-postgresql", "gateway_api/__init__.py", "import alembic.command"),
    ("http-servers-speak-http", "gateway_processor/__init__.py", "import fastapi"),
    ("http-servers-speak-http", "gateway_common/serving.py", "from starlette.requests import Request"),
    ("the-queue-has-few-doors", "gateway_api/__init__.py", "import taskiq"),
    ("the-queue-has-few-doors", "gateway_processor/settings.py", "from taskiq_redis import RedisStreamBroker"),
    ("one-door-to-redis", "gateway_api/__init__.py", "from redis.asyncio import Redis"),
    ("one-door-to-redis", "gateway_webhook_dispatcher/worker.py", "import redis"),
]  # fmt: skip


def test_every_contract_is_kept(tmp_path: Path) -> None:
    copy_packages(tmp_path)

    verdicts, output = lint(tmp_path)

    assert verdicts == {contract["name"]: "KEPT" for contract in CONTRACTS}, output


@pytest.mark.parametrize(("contract_id", "file", "line"), PLANTED)
def test_a_planted_import_breaks_its_contract(tmp_path: Path, contract_id: str, file: str, line: str) -> None:
    copy_packages(tmp_path)
    path = tmp_path / file
    path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")

    verdicts, output = lint(tmp_path)

    name = next(contract["name"] for contract in CONTRACTS if contract["id"] == contract_id)
    assert verdicts.get(name) == "BROKEN", output


def test_no_contract_goes_unproved() -> None:
    assert {contract_id for contract_id, _file, _line in PLANTED} == {contract["id"] for contract in CONTRACTS}


def test_every_package_is_under_contract() -> None:
    assert set(CONFIGURATION["root_packages"]) == {path.name for path in packages()}


def test_the_pages_are_shut_out_of_every_noun() -> None:
    common = ROOT / "libs/common/src/gateway_common"
    folders = {f"gateway_common.{path.parent.name}" for path in common.glob("*/__init__.py")}
    contract = next(contract for contract in CONTRACTS if contract["id"] == "pages-see-only-the-api")

    assert folders <= set(contract["forbidden_modules"])


def packages() -> list[Path]:
    return [path.parent for folder in ("libs", "services") for path in ROOT.glob(f"{folder}/*/src/*/__init__.py")]


def copy_packages(target: Path) -> None:
    for package in packages():
        shutil.copytree(package, target / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", target)


def lint(folder: Path) -> tuple[dict[str, str], str]:
    """The verdict on each contract for the packages in `folder`, which hide the installed ones; and all it said."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    verdicts = {found["name"].strip(): found["verdict"] for found in VERDICT.finditer(done.stdout)}
    return verdicts, done.stdout + done.stderr

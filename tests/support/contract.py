"""Runs Schemathesis against a running API: requests made from its OpenAPI document, valid and not, in sequences too.

It is given what it can't know, ids of things that exist and a payment's own token; contract_hooks has the exceptions.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.api import KEYS

ROOT = Path(__file__).parents[2]


def run_schemathesis(
    url: str,
    folder: Path,
    *,
    ids: Mapping[str, Sequence[str]],
    checkout: Mapping[str, str],
    examples: int,
    seed: int | None,
) -> int:
    """Try the API with up to `examples` requests per operation and kind; the exit code.

    `ids` holds by path parameter what is there, `checkout` a payment and its client token. What is found is printed.
    """
    headers = [word for name, value in KEYS.items() for word in ("--header", f"{name}: {value}")]
    return subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "run",
            f"{url}/openapi.json",
            *headers,
            *("--checks", "all"),
            *("--max-examples", str(examples)),
            *(("--seed", str(seed)) if seed is not None else ()),
            *("--generation-database", "none"),
            "--continue-on-failure",
            "--no-color",
        ],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.support.contract_hooks",
            "CONTRACT_KNOWN": json.dumps({"ids": ids, "checkout": checkout, "own_key": KEYS["X-Api-Key"]}),
        },
        check=False,
    ).returncode

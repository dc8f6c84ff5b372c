"""The files that merchants copy judge every webhook alike in Python and in JavaScript, and need nothing else."""

import ast
import base64
import json
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from tests.support.node import needed
from tests.support.verifier_cases import AT, CASES, COMPACT, COMPACT_PLAIN, SECRET, Case, standard

from gateway_common.webhooks.signing import sign_body
from gateway_sdk.webhooks.payment_gateway_webhooks import WebhookVerificationError, verify, verify_plain

FOLDER = files("gateway_sdk") / "webhooks"
PYTHON = (FOLDER / "payment_gateway_webhooks.py").read_text()
JAVASCRIPT = (FOLDER / "payment-gateway-webhooks.mjs").read_text()
SCRIPT = Path(__file__).parents[3] / "support" / "verify.mjs"


@pytest.fixture(scope="module")
def node_verdicts() -> dict[str, dict[str, Any]]:
    """What the verifier in Node says of all cases, asked once."""
    node = needed("node", "to show that the verifier in JavaScript works")
    lines = [{**vars(case), "body": base64.b64encode(case.body).decode()} for case in CASES]
    done = subprocess.run(
        [node, str(SCRIPT), str(FOLDER / "payment-gateway-webhooks.mjs")],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        check=True,
    )
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    return {case.name: verdict for case, verdict in zip(CASES, verdicts, strict=True)}


def judge(case: Case) -> Any:
    if case.function == "verify":
        return verify(case.secrets, case.headers, case.body, now=case.now)
    return verify_plain(case.secrets, case.headers, case.body)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_python_judges_as_it_should(case: Case) -> None:
    if case.refused:
        with pytest.raises(WebhookVerificationError, match=f"^{re.escape(case.refused)}$"):
            judge(case)
    elif case.misused:
        with pytest.raises(ValueError, match=f"^{re.escape(case.misused)}$"):
            judge(case)
    else:
        assert judge(case) == json.loads(case.body)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_javascript_judges_as_it_should(case: Case, node_verdicts: dict[str, dict[str, Any]]) -> None:
    message = case.refused or case.misused
    expected = {"refused": bool(case.refused), "message": message} if message else {"event": json.loads(case.body)}

    assert node_verdicts[case.name] == expected


@pytest.mark.parametrize(
    "headers",
    [
        list(standard().items()),
        [(name.encode(), value.encode()) for name, value in standard().items()],
        {**standard(), "x-other": None},
    ],
    ids=["pairs", "pairs of bytes, as ASGI has them", "a header without value"],
)
def test_headers_are_taken_as_frameworks_have_them(headers: Any) -> None:
    assert verify(SECRET, headers, COMPACT, now=AT) == {"test": 2432232314}


def test_a_body_is_taken_as_bytes_or_text_and_never_as_what_a_parser_made_of_it() -> None:
    for body in (COMPACT, bytearray(COMPACT), memoryview(COMPACT), COMPACT.decode()):
        assert verify_plain(SECRET, COMPACT_PLAIN, body) == {"test": 2432232314}  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="what a JSON parser made of it can't be verified"):
        verify_plain(SECRET, COMPACT_PLAIN, {"test": 2432232314})  # type: ignore[arg-type]


def test_no_time_and_no_tolerance_lets_everything_pass() -> None:
    for now, tolerance in ((float("nan"), 300), (AT, float("nan")), (AT + 1, 0)):
        with pytest.raises(WebhookVerificationError, match="it was sent"):
            verify(SECRET, standard(), COMPACT, tolerance, now=now)


def test_without_a_time_it_is_now() -> None:
    with pytest.raises(WebhookVerificationError, match="seconds ago"):
        verify(SECRET, standard(), COMPACT)


def test_what_fits_but_is_no_json_is_refused() -> None:
    body = b"not json"

    with pytest.raises(WebhookVerificationError, match="the signature fits, but the body is not JSON"):
        verify_plain(SECRET, sign_body(SECRET, body), body)


def test_python_needs_only_its_own_library_and_runs_on_3_8() -> None:
    tree = ast.parse(PYTHON, feature_version=(3, 8))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom)
            else []
        )
    }  # fmt: skip

    assert imported <= sys.stdlib_module_names
    newer = {"removeprefix", "removesuffix", "match"} & {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    }
    assert not newer, "came with Python 3.9 or later"


def test_javascript_needs_only_node() -> None:
    assert re.findall(r'from "([^"]+)"', JAVASCRIPT.split("\n\n", 1)[1]) == ["node:crypto"]
    assert not re.search(r"\brequire\(|\bimport\(", JAVASCRIPT)

"""docs/webhooks.md tells merchants the truth: its vectors, its code and its codes."""

import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.support import verifier_cases as vectors
from tests.support.node import needed

from gateway_common.webhooks.findings import FindingCode
from gateway_common.webhooks.schedule import DEFAULT_INTERVALS_SECONDS, TAIL_INTERVALS_SECONDS
from gateway_common.webhooks.signing import sign_body, sign_standard

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
BY_HAND = PAGE.partition("<!-- The tests run")[2]


def code(language: str) -> str:
    """The first block in this language of the part that is run."""
    found = re.search(rf"```{language}\n(.*?)```", BY_HAND, re.DOTALL)
    assert found
    return found[1]


def rows(heading: str) -> Iterator[list[str]]:
    """The rows of the table below a heading, their cells without backquotes."""
    for line in PAGE.partition(heading)[2].partition("\n#")[0].splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if line.startswith("|") and not set(cells[0]) <= {"-", " "}:
            yield cells


def test_every_published_vector_is_there_and_true() -> None:
    listed = {(body, signature) for _, body, signature in rows("### Vectors")} - {("body", "signature")}

    assert listed == {
        (body.decode(), signature)
        for body, signature in (
            (vectors.SPACED, vectors.SPACED_V1),
            (vectors.COMPACT, vectors.COMPACT_V1),
            (vectors.COMPACT, vectors.COMPACT_PLAIN),
            (vectors.COMPACT, vectors.COMPACT_DECODED_KEY),
            (vectors.CONVOY_BODY, vectors.CONVOY_PLAIN),
        )
    }
    sign = partial(sign_standard, webhook_id=vectors.standard()["webhook-id"], timestamp=vectors.AT)
    assert sign(vectors.SECRET, body=vectors.SPACED) == vectors.SPACED_V1
    assert sign(vectors.SECRET, body=vectors.COMPACT) == vectors.COMPACT_V1
    assert sign_body(vectors.SECRET, vectors.COMPACT) == vectors.COMPACT_PLAIN
    assert sign_body(vectors.CONVOY_SECRET, vectors.CONVOY_BODY) == vectors.CONVOY_PLAIN


def test_the_python_by_hand_gives_the_vectors() -> None:
    made: dict[str, str] = {}
    exec(code("python"), made)  # noqa: S102 -- our own page's code.

    assert (made["plain"], made["standard"]) == (vectors.COMPACT_PLAIN, vectors.COMPACT_V1)


def test_the_javascript_by_hand_gives_the_vectors() -> None:
    node = needed("node", "to run the code of docs/webhooks.md")
    script = code("js") + "console.log(plain, standard);"

    done = subprocess.run([node, "--input-type=module", "-"], input=script, capture_output=True, text=True, check=True)

    assert done.stdout.split() == [vectors.COMPACT_PLAIN, vectors.COMPACT_V1]


def test_every_code_of_a_signature_check_is_explained() -> None:
    listed = [word for cells in rows("## When it does not fit") for word in re.findall("[a-z_]+", cells[0])]

    assert sorted(listed) == sorted(["code", *FindingCode])


def test_the_schedule_is_the_one_that_is_kept() -> None:
    (cells,) = [cells for cells in rows("## Answer") if cells[0].startswith("after")]
    units = {"min": 60, "h": 3600}
    told = [int(number) * units[unit] for number, unit in re.findall(r"(\d+) (min|h)", " ".join(cells))]

    assert tuple(told) == DEFAULT_INTERVALS_SECONDS + TAIL_INTERVALS_SECONDS


@pytest.mark.parametrize("name", ["payment_gateway_webhooks.py", "payment-gateway-webhooks.mjs"])
def test_the_verifiers_are_where_the_page_says(name: str) -> None:
    assert f"http://localhost:3001/webhooks/{name}" in PAGE

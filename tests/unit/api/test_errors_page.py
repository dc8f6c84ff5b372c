"""The tree of errors as a page and as a file: both say what the tree says."""

import re
from pathlib import Path

from gateway_api.errors_page import html, markdown
from gateway_common.errors import error_kinds

ROOT = Path(__file__).parents[3]


def test_the_file_is_what_the_tree_says() -> None:
    assert (ROOT / "docs/errors.md").read_text() == markdown(), "run `make docs`"


def test_the_page_has_a_row_with_an_anchor_for_each_code() -> None:
    assert re.findall(r'<tr id="(\w+)">', html()) == [kind.code for kind in error_kinds()]


def test_both_are_sorted_by_status_then_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", markdown(), re.MULTILINE)

    assert rows == sorted(rows, key=lambda row: (row[1], row[0]))
    assert len(rows) == len(error_kinds())


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = html()

    assert not re.search(r"<script|<link|<img|@import|url\(|style=|https?:", page)
    assert page.startswith("<!doctype html>")

"""Tidy rules on the form of a file: sizes, names, docstrings, imports. What it may say: rules_of_content."""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.architecture.source import Finding, Function, Source

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
POSITIONAL_PARAMETERS_MAX = 5
VAGUE_NAME = re.compile(r"^_*base(?:_.*)?$")
VAGUE_PART = re.compile(r"(?:^|_)(?:utils?|helpers?|misc|managers?)(?:_|$)")
# The provider port is what the word says: the base that every provider stands on.
NAMED_BASE = "services/processor/src/gateway_processor/providers/base.py"


def file_is_short(source: Source) -> Iterator[Finding]:
    """A file that does not fit in one reading hides its second subject."""
    if source.is_code and len(source.lines) > FILE_LINES_MAX:
        yield Finding(len(source.lines), f"{len(source.lines)} lines, at most {FILE_LINES_MAX}: split it by subject")


def function_is_short(source: Source) -> Iterator[Finding]:
    """One screen, tests included."""
    for name, node in source.functions:
        length = _last_line(node) - node.lineno + 1
        if length > FUNCTION_LINES_MAX:
            yield Finding(node.lineno, f"{name} has {length} lines, at most {FUNCTION_LINES_MAX}")


def parameters_are_few(source: Source) -> Iterator[Finding]:
    """Five may go by position; whatever more there is goes by name, so that a call can be read aloud."""
    for name, node in source.functions:
        positional = [*node.args.posonlyargs, *node.args.args]
        if positional and positional[0].arg in {"self", "cls"}:
            positional = positional[1:]
        if len(positional) > POSITIONAL_PARAMETERS_MAX:
            limit = f"at most {POSITIONAL_PARAMETERS_MAX}: put a * before the rest"
            yield Finding(node.lineno, f"{name} takes {len(positional)} by position, {limit}")


def module_says_what_it_is(source: Source) -> Iterator[Finding]:
    """A module opens with one to three sentences: what lives here and what does not."""
    if source.is_python and source.text.strip() and not ast.get_docstring(source.tree):
        yield Finding(1, "no module docstring")


def module_has_a_subject(source: Source) -> Iterator[Finding]:
    """A folder or module called utils takes anything in; a noun does not."""
    if not source.path.endswith((".py", ".js", ".mjs")) or source.path == NAMED_BASE:
        return
    path = PurePosixPath(source.path)
    for name in [*path.parts[:-1], path.stem]:
        if VAGUE_NAME.search(name) or VAGUE_PART.search(name):
            yield Finding(1, f"'{name}' names no subject")


def imports_stand_at_the_top(source: Source) -> Iterator[Finding]:
    """An import inside a function hides a cycle and is found only when the line runs."""
    for name, node in source.functions:
        for inner in _own_nodes(node):
            if isinstance(inner, ast.Import | ast.ImportFrom):
                yield Finding(inner.lineno, f"import inside {name}")


def _last_line(node: Function) -> int:
    return node.end_lineno or node.lineno


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in a function itself; a function inside it speaks for itself."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Function):
            yield child
            yield from _own_nodes(child)


RULES = (
    file_is_short,
    function_is_short,
    parameters_are_few,
    module_says_what_it_is,
    module_has_a_subject,
    imports_stand_at_the_top,
)

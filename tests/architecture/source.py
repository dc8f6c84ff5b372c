"""The files of the repository as values the tidy rules can read; the rules are in the rules_of_* files."""

import ast
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
# What a checkout grows and git ignores.
NOT_OURS = {
    ".git",
    ".venv",
    ".data",
    ".hypothesis",
    "__pycache__",
    "node_modules",
    "build",
    "dist",
    "htmlcov",
}
CODE = {".py", ".js", ".mjs", ".css", ".html", ".jinja", ".sh", ".sql"}
PROSE = {".md", ".toml", ".yaml", ".yml", ".json", ".txt", ".in", ".ini", ".cfg", ".tpl", ".conf", ".mako"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Finding(NamedTuple):
    """One broken rule at one line of a file."""

    line: int
    message: str


@dataclass(frozen=True)
class Source:
    """One file: its path from the root with forward slashes, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed module; a file that is not Python parses as an empty one."""
        return ast.parse(self.text if self.is_python else "", filename=self.path)

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def is_code(self) -> bool:
        return Path(self.path).suffix in CODE

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def functions(self) -> list[tuple[str, Function]]:
        """Each function with its dotted name inside the module."""
        return list(_functions(self.tree, ""))


Rule = Callable[[Source], Iterator[Finding]]


def sources(root: Path = ROOT) -> list[Source]:
    """Every text file of ours below `root`, in a stable order."""
    return [Source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")) for path in _files(root)]


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in NOT_OURS and not _is_generated(name))
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix in CODE | PROSE or (not path.suffix and not name.startswith(".")):
                yield path


def _is_generated(folder: str) -> bool:
    return folder.endswith((".egg-info", "_cache"))


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        name = f"{prefix}{child.name}" if isinstance(child, Function | ast.ClassDef) else prefix.rstrip(".")
        if isinstance(child, Function):
            yield name, child
        yield from _functions(child, f"{name}." if name else "")

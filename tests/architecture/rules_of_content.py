"""Tidy rules on what a file may say: SQL, broad excepts, patches, notes to self, addresses, words in logs.

The form of a file (sizes, names) is in rules_of_shape. No pattern here matches its own source line.
"""

import ast
import re
from collections.abc import Iterator

from tests.architecture.source import Finding, Source

NOTE_TO_SELF = re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X)\b")
ADDRESS = re.compile(
    r"pypi\.org/simple|files\.pythonhosted\.org|registry\.npmjs\.org|registry\.yarnpkg\.com|proxy\.golang\.org"
    r"|--(?:extra-)?index-url\b|--(?:trusted-host|find-links)\b|\bindex[-_]url\s*=|^\s*registry\s*=",
    re.MULTILINE,
)
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:home|Users|root|work)/\w|\b[A-Z]:\\Users\\")
SQL = re.compile(
    r"\s*(?:SELECT\s|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s*(?:\([^)]*\)\s*)?AS\s"
    r"|(?:CREATE|ALTER|DROP)\s+(?:TABLE|INDEX|UNIQUE|DATABASE|ROLE|USER|SCHEMA|FUNCTION|TRIGGER|SEQUENCE|TYPE)\s"
    r"|TRUNCATE\s|LOCK\s+TABLE\s|NOTIFY\s|LISTEN\s"
    r"|(?i:select\s.+\sfrom\s|insert\s+into\s+\w|update\s+\w+\s+set\s|delete\s+from\s+\w|with\s+\w+\s+as\s*\())",
    re.DOTALL,
)
SQL_HOMES = re.compile(r"^libs/common/migrations/|/gateway_common/db/|/(?:(?:[a-z]+_)?store|tables)\.py$")
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log", "bind"}
LOGGER_NAME = re.compile(r"^_?(?:log|logger|logs)$", re.IGNORECASE)
PRIVATE = {
    "api_secret", "authorization", "card", "card_number", "client_token", "cvc", "cvv", "master_key",
    "number", "pan", "password", "secret", "signing_secret", "vpa",
}  # fmt: skip
# Each broad except that may stand, as path::function, and why nothing narrower would do.
BROAD_EXCEPTS: dict[str, str] = {
    "libs/common/src/gateway_common/db/gather.py::Gatherer._save_batch": "it is raised again in every waiting caller",
    "libs/common/src/gateway_common/serving.py::_ask": "a probe answers whatever a dependency does",
    "libs/common/src/gateway_common/workers/loops.py::repeat": "a loop of a worker outlives one bad turn",
    "services/api/src/gateway_api/middleware.py::RequestContext.__call__": "the caller gets our JSON, whatever broke",
    "services/processor/src/gateway_processor/calls.py::Calls._ask_in_time": "unknown is not failed",
    "services/webhook-dispatcher/src/gateway_webhook_dispatcher/dispatcher.py::Dispatcher._deliver": (
        "one delivery's fault is not the others'; its lease runs out"
    ),
}
# Each file outside the stores that may hold SQL, and why.
SQL_ELSEWHERE: dict[str, str] = {}


def no_note_to_self(source: Source) -> Iterator[Finding]:
    """What is left to do is an issue, not a comment."""
    for line, text in enumerate(source.lines, 1):
        if found := NOTE_TO_SELF.search(text):
            yield Finding(line, f"{found[0]}: do it now or open an issue")


def no_addresses(source: Source) -> Iterator[Finding]:
    """Where packages come from and where the checkout lies is the machine's business."""
    for pattern, what in ((ADDRESS, "registry address"), (MACHINE_PATH, "path of one machine")):
        for found in pattern.finditer(source.text):
            yield Finding(source.text.count("\n", 0, found.start()) + 1, f"{what}: {found[0].strip()}")


def sql_lives_in_stores(source: Source) -> Iterator[Finding]:
    """Every statement has a name and stands where its table is; tests and benches may look for themselves."""
    if not source.path.startswith(("libs/", "services/")) or SQL_HOMES.search(source.path):
        return
    if source.path in SQL_ELSEWHERE:
        return
    for line, text in _strings(source.tree):
        if SQL.match(text):
            yield Finding(line, f"SQL outside a store: {' '.join(text.split())[:40]}")


def excepts_are_narrow(source: Source) -> Iterator[Finding]:
    """A broad except turns a bug into silence; the few that guard a loop are named with their reason."""
    for place, line in broad_excepts(source):
        if place not in BROAD_EXCEPTS:
            yield Finding(line, f"broad except in {place.partition('::')[2]}: name what may fail")


def broad_excepts(source: Source) -> Iterator[tuple[str, int]]:
    """Each broad except as path::function and line, named in the list or not."""
    for name, scope in [("<module>", source.tree), *source.functions]:
        for node in _own_nodes(scope):
            if _is_broad_handler(node) or _is_broad_suppress(node):
                yield f"{source.path}::{name}", getattr(node, "lineno", 1)


def nothing_of_ours_is_patched(source: Source) -> Iterator[Finding]:
    """A patched test proves the patch; pass a fake or run the real thing."""
    ours = set(_names_of_ours(source.tree))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "mock" for alias in node.names):
            yield Finding(node.lineno, "mock imported")
        if isinstance(node, ast.Import | ast.ImportFrom) and _imports_unittest_mock(node):
            yield Finding(node.lineno, "unittest.mock imported")
        if isinstance(node, ast.arg) and node.arg == "mocker":
            yield Finding(node.lineno, "mocker used")
        if isinstance(node, ast.Call) and _patches(node, ours):
            yield Finding(node.lineno, "monkeypatch on our own code")


def logs_hold_nothing_private(source: Source) -> Iterator[Finding]:
    """No card number, CVC, VPA, secret or token is handed to a logger, by keyword or by value."""
    for node in ast.walk(source.tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOG_METHODS):
            continue
        if LOGGER_NAME.match(_last_name(node.func.value)):
            yield from (Finding(node.lineno, f"'{word}' goes to the log") for word in sorted(_words(node) & PRIVATE))


def _strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Each string with its line, an f-string in one piece; docstrings are prose and left out."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            skipped.add(node.value)
        if isinstance(node, ast.JoinedStr):
            skipped.update(node.values)
            parts = [str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values]
            yield node.lineno, "".join(parts)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node.lineno, node.value


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _own_nodes(child)


def _is_broad_handler(node: ast.AST) -> bool:
    return isinstance(node, ast.ExceptHandler) and (node.type is None or _names_everything(node.type))


def _is_broad_suppress(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and _last_name(node.func) == "suppress"
        and any(_names_everything(argument) for argument in node.args)
    )


def _names_everything(kind: ast.expr) -> bool:
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(_last_name(each) in {"Exception", "BaseException"} for each in kinds)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _imports_unittest_mock(node: ast.Import | ast.ImportFrom) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name == "unittest.mock" for alias in node.names)
    names = {alias.name for alias in node.names}
    return node.module == "unittest.mock" or (node.module == "unittest" and "mock" in names)


def _names_of_ours(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gateway_"):
            yield from (alias.asname or alias.name for alias in node.names)
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("gateway_"):
                    yield alias.asname or alias.name.split(".")[0]


def _patches(call: ast.Call, ours: set[str]) -> bool:
    function = call.func
    if not (isinstance(function, ast.Attribute) and function.attr in {"setattr", "delattr", "setitem"} and call.args):
        return False
    target = call.args[0]
    if isinstance(target, ast.Constant):
        return str(target.value).startswith("gateway_")
    while isinstance(target, ast.Attribute):
        target = target.value
    return isinstance(target, ast.Name) and target.id in ours


def _words(call: ast.Call) -> set[str]:
    """The keywords of a call and the last names of every value in it."""
    words = {keyword.arg for keyword in call.keywords if keyword.arg}
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        words.update(_last_name(node) for node in ast.walk(argument) if isinstance(node, ast.Name | ast.Attribute))
    return words


RULES = (
    no_note_to_self,
    no_addresses,
    sql_lives_in_stores,
    excepts_are_narrow,
    nothing_of_ours_is_patched,
    logs_hold_nothing_private,
)

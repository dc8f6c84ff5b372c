"""Each tidy rule finds the thing it forbids in a planted snippet, and lets the thing beside it pass."""

import pytest
from tests.architecture import rules_of_content as content
from tests.architecture import rules_of_shape as shape
from tests.architecture.source import Rule, Source
from tests.architecture.test_tidy import RULES

OURS = "services/api/src/gateway_api/payments/service.py"
TEST = "tests/unit/api/test_payments.py"

# A rule, the path the snippet is planted at, and the snippet.
CAUGHT: list[tuple[Rule, str, str]] = [
    (shape.file_is_short, OURS, "x = 1\n" * 401),
    (shape.file_is_short, "services/sdk/src/checkout.js", "1;\n" * 401),
    (shape.function_is_short, TEST, "def test_long():\n" + "    x = 1\n" * 70),
    (shape.function_is_short, OURS, "class A:\n    async def long(self):\n" + "        x = 1\n" * 70),
    (shape.parameters_are_few, OURS, "def pay(a, b, c, d, e, f): ..."),
    (shape.parameters_are_few, OURS, "class A:\n    def pay(self, a, b, c, d, /, e, f): ..."),
    (shape.module_says_what_it_is, OURS, "x = 1\n"),
    (shape.module_says_what_it_is, TEST, "# Only a comment.\n"),
    *(
        (shape.module_has_a_subject, f"services/api/src/gateway_api/{name}", "")
        for name in ("utils.py", "base.py", "base_route.py", "http_helpers.py", "misc/x.py", "key_manager.py")
    ),
    (shape.imports_stand_at_the_top, OURS, "def pay():\n    if True:\n        import json\n"),
    (shape.imports_stand_at_the_top, OURS, "class A:\n    async def pay(self):\n        from a import b\n"),
    (content.no_note_to_self, OURS, f"x = 1  # {'TO'}DO later"),
    (content.no_note_to_self, "README.md", f"{'FIX'}ME"),
    (content.no_addresses, "requirements/dev.txt", f"--index{'-url'} https://packages.example/simple"),
    (content.no_addresses, "package-lock.json", f'"resolved": {chr(34)}https://registry.npmjs{".org"}/x"'),
    (content.no_addresses, "Makefile", f"cd {'/home'}/someone/gateway && make"),
    (content.sql_lives_in_stores, OURS, 'q = "SELECT 1 FROM payments"'),
    (content.sql_lives_in_stores, OURS, 'q = f"""\n  UPDATE {table} SET status = 1"""'),
    (content.sql_lives_in_stores, OURS, 'q = "with due as (select id) delete"'),
    (
        content.sql_lives_in_stores,
        "libs/common/src/gateway_common/payments/model.py",
        'q = "delete from payments"',
    ),
    (content.sql_lives_in_stores, "libs/cli/src/gateway_cli/x.py", 'q = "INSERT INTO t VALUES (1)"'),
    (content.excepts_are_narrow, OURS, "try:\n    pay()\nexcept Exception:\n    pass"),
    (
        content.excepts_are_narrow,
        OURS,
        "def f():\n    try:\n        pay()\n    except (OSError, BaseException): raise",
    ),
    (content.excepts_are_narrow, OURS, "try:\n    pay()\nexcept:\n    pass"),
    (content.excepts_are_narrow, OURS, "with contextlib.suppress(Exception):\n    pay()"),
    (content.nothing_of_ours_is_patched, TEST, "from unittest.mock import patch"),
    (content.nothing_of_ours_is_patched, TEST, "from unittest import mock"),
    (content.nothing_of_ours_is_patched, TEST, "import mock"),
    (content.nothing_of_ours_is_patched, TEST, "def test_x(mocker): ..."),
    (content.nothing_of_ours_is_patched, TEST, 'monkeypatch.setattr("gateway_api.clock.now", f)'),
    (
        content.nothing_of_ours_is_patched,
        TEST,
        'from gateway_api import x\nmonkeypatch.setattr(x.y, "now", f)',
    ),
    (content.logs_hold_nothing_private, OURS, 'log.info("payment.created", vpa="a@upi")'),
    (content.logs_hold_nothing_private, OURS, 'self.logger.error(f"refused {card.number}")'),
    (content.logs_hold_nothing_private, OURS, "log = logger.bind(key=request.headers.api_secret)"),
]

PASSED: list[tuple[Rule, str, str]] = [
    (shape.file_is_short, OURS, "x = 1\n" * 400),
    (shape.file_is_short, "requirements/dev.txt", "a==1\n" * 4000),
    (shape.function_is_short, OURS, "def fits():\n" + "    x = 1\n" * 69),
    (shape.parameters_are_few, OURS, "class A:\n    def pay(self, a, b, c, d, e, *, f, g, h): ..."),
    (shape.module_says_what_it_is, OURS, '"""Payments over HTTP."""\n'),
    (shape.module_says_what_it_is, "services/api/src/gateway_api/py.typed", ""),
    (shape.module_has_a_subject, shape.NAMED_BASE, ""),
    (shape.module_has_a_subject, "services/api/src/gateway_api/database.py", ""),
    (shape.imports_stand_at_the_top, OURS, "if TYPE_CHECKING:\n    import json\n"),
    (content.no_note_to_self, OURS, "# A method to do it once."),
    (content.no_addresses, "README.md", "GET /api/v1/payments, https://example.com/home/x"),
    (content.sql_lives_in_stores, "libs/common/src/gateway_common/payments/store.py", 'q = "SELECT 1"'),
    (content.sql_lives_in_stores, "libs/common/migrations/versions/0001.py", 'q = "CREATE TABLE t ()"'),
    (content.sql_lives_in_stores, OURS, '"""Select a payment from the list."""\nx = "with care", "UPDATE"'),
    (content.excepts_are_narrow, OURS, "try:\n    pay()\nexcept (OSError, PaymentError):\n    pass"),
    (content.nothing_of_ours_is_patched, TEST, 'monkeypatch.setenv("PORT", "1")\nsetattr(os, "x", 1)'),
    (content.logs_hold_nothing_private, OURS, 'log.info("webhook.secret_rotated", endpoint_id=endpoint.id)'),
    (content.logs_hold_nothing_private, OURS, "hasher.bind(secret)\nform.error(number)"),
]


@pytest.mark.parametrize(("rule", "path", "text"), CAUGHT)
def test_a_planted_violation_is_found(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text)))


@pytest.mark.parametrize(("rule", "path", "text"), PASSED)
def test_what_is_allowed_passes(rule: Rule, path: str, text: str) -> None:
    assert not list(rule(Source(path, text)))


def test_no_rule_goes_unproved() -> None:
    assert {rule for rule, _path, _text in CAUGHT} == set(RULES)
    assert {rule for rule, _path, _text in PASSED} == set(RULES)


def test_a_named_exception_spares_only_its_function(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "def a():\n    try: x\n    except Exception: y\ndef b():\n    try: x\n    except Exception: y\n"
    monkeypatch.setitem(content.BROAD_EXCEPTS, f"{OURS}::a", "shown here")

    findings = list(content.excepts_are_narrow(Source(OURS, text)))

    assert [finding.line for finding in findings] == [6]

"""The house rules hold in every file. Each rule is shown to fire in test_tidy_fires.py."""

import pytest
from tests.architecture import rules_of_content, rules_of_shape
from tests.architecture.source import Rule, Source, sources

RULES = (*rules_of_shape.RULES, *rules_of_content.RULES)


@pytest.fixture(scope="module")
def tree() -> list[Source]:
    return sources()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps(rule: Rule, tree: list[Source]) -> None:
    broken = [f"{source.path}:{finding.line}: {finding.message}" for source in tree for finding in rule(source)]

    assert not broken, f"{rule.__doc__}\n" + "\n".join(broken)


def test_every_part_of_the_house_is_read(tree: list[Source]) -> None:
    paths = {source.path for source in tree}

    assert {"pyproject.toml", "libs/common/src/gateway_common/__init__.py", "requirements/dev.txt"} <= paths
    assert {path.split("/")[1] for path in paths if path.startswith("services/")} == {
        "api", "processor", "webhook-dispatcher", "dashboard", "sdk",
    }  # fmt: skip


def test_no_exception_is_kept_for_code_that_is_gone(tree: list[Source]) -> None:
    broad = {place for source in tree for place, _line in rules_of_content.broad_excepts(source)}

    assert set(rules_of_content.BROAD_EXCEPTS) <= broad
    assert set(rules_of_content.SQL_ELSEWHERE) <= {source.path for source in tree}
    assert rules_of_shape.NAMED_BASE in {source.path for source in tree}

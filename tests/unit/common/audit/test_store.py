"""Each check has its question: one without the other is found when the module is imported."""

import pytest

from gateway_common.audit.model import CHECKS
from gateway_common.audit.store import QUESTIONS, prepare


@pytest.mark.parametrize(
    ("questions", "named"),
    [
        ({name: question for name, question in QUESTIONS.items() if name != "order_wrong"}, "order_wrong"),
        ({**QUESTIONS, "order_wrnog": ""}, "order_wrnog"),
    ],
)
def test_a_check_without_a_question_or_the_reverse_is_named(questions: dict[str, str], named: str) -> None:
    with pytest.raises(LookupError, match=f": {named}\\."):
        prepare(questions)


def test_each_check_is_asked() -> None:
    assert list(prepare(QUESTIONS)) == [check.name for check in CHECKS]

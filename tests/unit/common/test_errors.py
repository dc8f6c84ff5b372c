"""The tree of errors is the one drawn in its module: every class once, with one code and one status."""

import re

import pytest

from gateway_common import errors
from gateway_common.errors import GatewayError, error_kinds

STATUSES = {400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503}


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn = set(re.findall(r"\b[A-Z]\w+Error\b", errors.__doc__ or ""))

    assert drawn == {kind.__name__ for kind in error_kinds()} | {"GatewayError"}


def test_every_drawn_status_is_the_classs_own() -> None:
    drawn = {name: int(status) for name, status in re.findall(r"([A-Z]\w+Error) (\d{3})", errors.__doc__ or "")}

    assert drawn == {kind.__name__: kind.status for kind in error_kinds() if kind.__name__ in drawn}
    assert set(drawn.values()) == STATUSES


def test_every_class_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in error_kinds()]

    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", error_kinds(), ids=lambda kind: kind.__name__)
def test_a_class_has_a_stable_code_and_a_status_of_the_contract(kind: type[GatewayError]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)
    assert kind.status in STATUSES


PASSING = {errors.IdempotencyInProgressError, errors.OrderBusyError}
"""Conflicts that are over in a moment."""


@pytest.mark.parametrize("kind", error_kinds(), ids=lambda kind: kind.__name__)
def test_only_what_may_be_sent_again_says_when(kind: type[GatewayError]) -> None:
    assert kind.retryable == (kind.retry_after_seconds is not None)
    assert kind.retryable == (kind.status in {429, 500, 503} or kind in PASSING)


@pytest.mark.parametrize("kind", error_kinds(), ids=lambda kind: kind.__name__)
def test_a_class_says_in_one_sentence_of_its_own_what_it_means(kind: type[GatewayError]) -> None:
    assert "meaning" in vars(kind)
    assert re.fullmatch(r"[A-Z][^.|<>]+\.", kind.meaning)


def test_an_error_carries_its_sentence_and_its_field() -> None:
    error = errors.UnprocessableError("The amount is too much.", param="amount")

    assert str(error) == error.message == "The amount is too much."
    assert error.param == "amount"

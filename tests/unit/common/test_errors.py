"""The tree of errors is the one drawn in its module: every class once, with one code and one status."""

import re
from collections.abc import Iterator

import pytest

from gateway_common import errors
from gateway_common.errors import GatewayError

STATUSES = {400, 401, 403, 404, 409, 413, 422, 429, 503}


def in_module() -> list[type[GatewayError]]:
    return [kind for kind in _below(GatewayError) if kind.__module__ == errors.__name__]


def _below(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn = set(re.findall(r"\b[A-Z]\w+Error\b", errors.__doc__ or ""))

    assert drawn == {kind.__name__ for kind in in_module()} | {"GatewayError"}


def test_every_drawn_status_is_the_classs_own() -> None:
    drawn = {name: int(status) for name, status in re.findall(r"([A-Z]\w+Error) (\d{3})", errors.__doc__ or "")}

    assert drawn == {kind.__name__: kind.status for kind in in_module() if kind.__name__ in drawn}
    assert set(drawn.values()) == STATUSES


def test_every_class_has_a_code_of_its_own() -> None:
    codes = [GatewayError.code, *(kind.code for kind in in_module())]

    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", in_module(), ids=lambda kind: kind.__name__)
def test_a_class_has_a_stable_code_and_a_status_of_the_contract(kind: type[GatewayError]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)
    assert kind.status in STATUSES


@pytest.mark.parametrize("kind", in_module(), ids=lambda kind: kind.__name__)
def test_only_what_may_be_sent_again_says_when(kind: type[GatewayError]) -> None:
    assert kind.retryable == (kind.retry_after_seconds is not None)
    assert kind.retryable == (kind.status in {429, 503} or kind is errors.IdempotencyInProgressError)


def test_an_error_carries_its_sentence_and_its_field() -> None:
    error = errors.UnprocessableError("The amount is too much.", param="amount")

    assert str(error) == error.message == "The amount is too much."
    assert error.param == "amount"

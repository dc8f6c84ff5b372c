"""Which words of a request may be said again, and which may be a card's number or break a line."""

import pytest

from gateway_api.echo import is_name

CARD = "4111111111111111"


@pytest.mark.parametrize("word", ["amount", "order_id", "größe", "key 7", "X-Api-Key", "a.b", "0", "49", "x" * 64])
def test_a_plain_name_may_be_repeated(word: str) -> None:
    assert is_name(word)


@pytest.mark.parametrize("word", ["", CARD, "1234", "x" * 65, "a\n", "a\0", "\ud800", "a<b", "a@b", "-a", "💳"])
def test_anything_else_may_not(word: str) -> None:
    assert not is_name(word)

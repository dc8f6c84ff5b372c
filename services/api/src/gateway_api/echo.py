"""What of a request may be said again in an answer: plain names, for anywhere else a card's number may stand."""

import re
from typing import Final

_LONG_NUMBER: Final = re.compile(r"\d(?:[ .+-]?\d){11}")
_NAME: Final = re.compile(r"\d{1,3}|[^\W\d][\w .\-]{0,63}")


def is_name(word: str) -> bool:
    """Whether a name that a caller chose may be repeated to it: short, plain, and no number that may be a card's."""
    return _NAME.fullmatch(word) is not None and not holds_long_number(word)


def holds_long_number(text: str) -> bool:
    """Whether a card's number may stand in there, also with spaces or dashes in between."""
    return _LONG_NUMBER.search(text) is not None

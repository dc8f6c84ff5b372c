"""What may have happened to a webhook's body on its way through a merchant's program, and what that looks like.

The usual one: a framework parsed the JSON and somebody printed it again, which is the same JSON in other bytes.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

_BOM: Final = b"\xef\xbb\xbf"
_BLANKS: Final = b" \t\r\n"
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')


def likely_originals(received: bytes) -> list[bytes]:
    """Bytes that this body may once have been, if only its form was changed; without itself."""
    found = [received.removeprefix(_BOM).strip(_BLANKS), _compact(received), _read_as_latin1(received)]
    return [body for body in dict.fromkeys(found) if body is not None and body != received]


def is_same_json(one: bytes, other: bytes) -> bool:
    # What can be printed is not nested so deeply that Python could not compare it.
    if _compact(one) is None or _compact(other) is None:
        return False
    return bool(_parse(one) == _parse(other))


def explain_reprint(received: bytes, original: bytes) -> str:
    """How two prints of one JSON value differ."""
    return ", ".join(_differences(received, original)) or "its JSON is printed in another way"


def explain_change(received: bytes, original: bytes) -> str:
    """Where two bodies first differ. What stands there is not said."""
    if _read_as_latin1(received) == original:
        return "its UTF-8 was read as Latin-1 and written as UTF-8 again"
    shorter = min(len(received), len(original))
    place = next((at for at in range(shorter) if received[at] != original[at]), shorter)
    lengths = f"it has {len(received)} bytes, {len(original)} were sent"
    if place == len(received):
        return f"it was cut: {lengths}"
    if place == len(original):
        return f"something follows after its end: {lengths}"
    return f"it first differs at byte {place} (counted from 0), and {lengths}"


def _differences(received: bytes, original: bytes) -> Iterator[str]:
    if received.startswith(_BOM):
        yield "a byte order mark stands before it"
    text = received.removeprefix(_BOM)
    inner = text.strip(_BLANKS)
    if text.endswith(b"\n"):
        yield "a line end was added at its end"
    elif text != inner:
        yield "blanks were added around it"
    structure = _STRING.sub(b'""', inner)
    if b"\n" in structure:
        yield "it is printed over several lines" + (" with CRLF line ends" if b"\r\n" in structure else "")
    elif re.search(rb"\s", structure):
        yield "there are blanks after its commas or colons"
    if inner.count(rb"\u") > original.count(rb"\u"):
        yield r"characters are written as \u escapes"
    if rb"\/" in inner and rb"\/" not in original:
        yield r"each / is written as \/"
    if _compact(inner) != _compact(original):
        yield "its keys are in another order, or its numbers are written in another way"


def _compact(body: bytes) -> bytes | None:
    """The value as events are printed; None if the body is no JSON."""
    value = _parse(body)
    try:
        return None if value is None else orjson.dumps(value)
    except orjson.JSONEncodeError:
        return None


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body.removeprefix(_BOM))
    except orjson.JSONDecodeError:
        return None


def _read_as_latin1(received: bytes) -> bytes | None:
    """The bytes that became `received` when they were taken for Latin-1; None if that can't have happened."""
    try:
        found = received.decode().encode("latin-1")
        found.decode()
    except UnicodeError:
        return None
    return found

"""Reads the JSON of a request body, and refuses what parsers elsewhere would read otherwise: duplicate keys, NaN,
deep nesting, any encoding but UTF-8. What a body has to hold is the schemas' business.
"""

import json
import re
from collections import Counter
from typing import Any, Final, Never

from starlette.requests import ClientDisconnect, Request

from gateway_api.echo import is_name
from gateway_common.errors import InvalidRequestError, UnsupportedMediaTypeError

DEPTH_MAX: Final = 20
"""No request of ours is nested deeper than four."""
_JSON_TYPE: Final = re.compile(r"application/([\w.!#$&^-]+\+)?json", re.IGNORECASE)


class JsonRequest(Request):
    """A request whose body is judged before FastAPI asks for it, which would make one bare 400 of every error."""

    _value: Any = None

    async def read(self) -> None:
        """Read the body; GatewayError if it is no JSON object of the kind we take."""
        body = await read_body(self)
        if body:
            if not _JSON_TYPE.fullmatch(self.headers.get("content-type", "").partition(";")[0].strip()):
                raise UnsupportedMediaTypeError(
                    "Send the body as JSON, with the header Content-Type: application/json."
                )
            self._value = parse_json(body)

    async def json(self) -> Any:
        return self._value


async def read_body(request: Request) -> bytes:
    """The body as it was sent; InvalidRequestError if its end never came."""
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise InvalidRequestError("The request ended before its body did.") from error


def parse_json(body: bytes) -> Any:
    """The value of a JSON text; InvalidRequestError says where it is none."""
    if body.startswith(b"\xef\xbb\xbf"):
        raise InvalidRequestError("The body must be JSON in UTF-8, without a byte order mark.")
    try:
        value = _DECODER.decode(body.decode())
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidRequestError(f"The body is not valid JSON: see {place}.") from error
    except UnicodeDecodeError as error:
        raise InvalidRequestError("The body must be JSON in UTF-8.") from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise InvalidRequestError("The body holds a number with too many digits.") from error
    # A value is never deeper than it has opening brackets, so nearly every request is judged by this alone.
    if body.count(b"{") + body.count(b"[") > DEPTH_MAX:
        _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH_MAX):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> InvalidRequestError:
    return InvalidRequestError(f"The body is nested too deeply: at most {DEPTH_MAX} levels.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Which of two equal keys counts differs from parser to parser, so none does."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        if is_name(twice):
            raise InvalidRequestError(f"{twice}: is there twice in one object. Send it once.", param=twice)
        raise InvalidRequestError("A key is there twice in one object. Send it once.")
    return found


def _no_constant(_: str) -> Never:
    raise InvalidRequestError("NaN and Infinity are not JSON. Send a plain number.")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)

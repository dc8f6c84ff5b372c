"""The router of every noun of the API: its routes read bodies and headers strictly and know their query parameters.

`create_app` takes no other router, so a new noun can't forget it.
"""

from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from gateway_api.echo import is_name
from gateway_api.json_body import JsonRequest
from gateway_common.errors import InvalidRequestError, UnprocessableError, UnsupportedMediaTypeError

PARAMETERS_MAX: Final = 100
"""Far more than any route knows; so that a long query is not taken apart before it is refused."""
_ENCODING: Final = b"content-encoding"
_READ_ONCE: Final = {
    b"authorization": "Authorization",
    b"idempotency-key": "Idempotency-Key",
    b"x-api-key": "X-Api-Key",
    b"x-api-secret": "X-Api-Secret",
    b"x-client-token": "X-Client-Token",
    _ENCODING: "Content-Encoding",
}
"""Of two of these another program on the way may read the one that we do not."""


class StrictRoute(APIRoute):
    """Refuses an unknown or repeated query parameter: a filter that is silently ignored shows what was not asked for.

    And a repeated header of those that say who asks, and a body that is encoded.

    This goes before the question who is calling, as FastAPI's own reading of bodies does; it reveals nothing.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = tuple(_query_names(self.dependant))
        takes_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            check_headers(request.scope["headers"])
            if request.scope["query_string"]:
                check_query(request.scope["query_string"], known)
            if takes_body:
                request = JsonRequest(request.scope, request.receive)
                await request.read()
            return await handle(request)

        return strict


class StrictRouter(APIRouter):
    """An APIRouter of strict routes."""

    def __init__(self, *, prefix: str, tags: list[str]) -> None:
        super().__init__(prefix=prefix, tags=list(tags), route_class=StrictRoute)


def check_headers(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """InvalidRequestError for a header that is there twice, UnsupportedMediaTypeError for an encoded body."""
    found = [header for header in headers if header[0] in _READ_ONCE]
    values = dict(found)
    if len(values) != len(found):
        names = [name for name, _ in found]
        twice = next(title for name, title in _READ_ONCE.items() if names.count(name) > 1)
        raise InvalidRequestError(f"{twice}: is there twice. Send it once.", param=twice)
    if values.get(_ENCODING, b"identity").lower() != b"identity":
        raise UnsupportedMediaTypeError("Send the body as it is, without Content-Encoding.", param="Content-Encoding")


def check_query(query: bytes, known: Collection[str]) -> None:
    """UnprocessableError for a parameter that is not known or is there twice. No parameter of ours is a list."""
    try:
        sent = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError as error:
        raise UnprocessableError("There are too many query parameters.") from error
    seen: set[str] = set()
    for name, _ in sent:
        if name not in known:
            subject = name if is_name(name) else None
            takes = f"Send only: {', '.join(known)}." if known else "Send none."
            what = f"{subject}: is no query parameter of this request." if subject else "A query parameter is unknown."
            raise UnprocessableError(f"{what} {takes}", param=subject)
        if name in seen:
            raise UnprocessableError(f"{name}: is there twice. Send it once.", param=name)
        seen.add(name)


def _query_names(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        yield field.alias
    for below in dependant.dependencies:
        yield from _query_names(below)

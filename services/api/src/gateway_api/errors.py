"""Turns every error into one JSON shape with the right status. No stack trace leaves the process."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from itertools import takewhile
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway_api.echo import holds_long_number, is_name
from gateway_api.fields import PATTERNS
from gateway_common.errors import (
    GatewayError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    UnprocessableError,
)
from gateway_common.logs import get_logger

DOC_PATH: Final = "/docs/errors"
"""Where each code is explained: gateway_api/errors_page.py."""
# Pydantic's findings by type, in a merchant's words.
_WORDS: Final = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request",
    "value_error": "{error}",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a whole number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least one entry",
    "too_long": "must have at most {max_length} entries",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "dict_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "list_type": "must be a list",
    "bool_type": "must be true or false",
}
_UNNAMED_FIELD: Final = (
    "The body has a field that this request does not know; its name is not repeated, for it may be a card number."
)
_WHOLE_AMOUNT: Final = "must be a whole number of the currency's smallest unit: 50000 is 500.00 INR"
_ABOUT_THE_BODY: Final = {
    "missing": "The request needs a JSON body, with the header Content-Type: application/json.",
    "string_unicode": "The body must be valid Unicode.",
}
_PATH_REPEATED_MOST: Final = 200


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(GatewayError, _gateway_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


def error_response(request: Request, error: GatewayError, headers: Mapping[str, str] | None = None) -> Response:
    """The error in the one shape they all have."""
    content = {
        "code": error.code,
        "message": error.message,
        "param": error.param,
        "request_id": request.scope["state"].get("request_id"),
        "retryable": error.retryable and _may_be_repeated(request, error.status),
        "doc_url": f"{DOC_PATH}#{error.code}",
    }
    headers = dict(headers or {})
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="payment gateway", charset="UTF-8"'
    return Response(orjson.dumps({"error": content}), error.status, headers, media_type="application/json")


def _may_be_repeated(request: Request, status: int) -> bool:
    """Whether sending it again can't do it twice: a commit whose answer got lost is not known to have failed.

    What was refused for its rate was never begun.
    """
    return status == HTTPStatus.TOO_MANY_REQUESTS or request.method != "POST" or "idempotency-key" in request.headers


async def _gateway_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)  # noqa: S101 -- Starlette's signature is wider than what it sends here.
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        # The caller reads that something is away; who is on duty must read what.
        cause = str(error.__cause__ or error).partition("\n")[0]
        get_logger().warning("http.unavailable", cause=cause, request_id=request.scope["state"].get("request_id"))
    return error_response(request, error)


async def _validation_error(request: Request, error: Exception) -> Response:
    """The first thing wrong with the input. What was sent is never repeated: it may be a card number."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    first = error.errors()[0]
    place, *location = (str(part) for part in first["loc"])
    if place == "path":
        return error_response(request, _nothing_there(request))
    message, param = explain(first, location)
    return error_response(request, UnprocessableError(message, param=param))


def explain(problem: dict[str, Any], location: Sequence[str]) -> tuple[str, str | None]:
    """Pydantic's finding as a sentence for whoever wrote the request, and the field it is about."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "payment_method" and isinstance(problem["input"], dict):
        return problem["msg"], "method"
    # What stands in angle brackets says which of several bodies it was, and is no field.
    location = [part for part in location if not part.startswith("<")]
    if not location:
        return _ABOUT_THE_BODY.get(kind, "The body must be a JSON object."), None
    if kind == "string_pattern_mismatch":
        what = PATTERNS[context["pattern"]]
    elif kind == "int_type" and location[-1] == "amount":
        what = _WHOLE_AMOUNT
    else:
        what = _WORDS[kind].format_map(context) if kind in _WORDS else problem["msg"].lower()
    if location[-1] == "[key]":
        location, what = location[:-2], f"each key {what}"
    named = list(takewhile(is_name, location))
    param = ".".join(named) or None
    if len(named) < len(location):
        if kind == "extra_forbidden":
            return _UNNAMED_FIELD, param
        what = f"an entry {what}"
    return f"{param or 'The body'}: {what}.", param


async def _http_error(request: Request, error: Exception) -> Response:
    """What Starlette finds by itself: no route, or not with this method."""
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == HTTPStatus.NOT_FOUND:
        return error_response(request, _nothing_there(request))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {**(error.headers or {}), **_allow(request)}
        message = f"{request.method} is not possible here. Allowed: {headers['Allow']}."
        return error_response(request, MethodNotAllowedError(message), headers)
    return error_response(request, InvalidRequestError(str(error.detail)), error.headers)


def _allow(request: Request) -> dict[str, str]:
    """All methods of this path; Starlette names only those of the first route that has it."""
    path = getattr(request.scope.get("route"), "path_format", None)
    methods = request.app.openapi()["paths"].get(path, {})
    return {"Allow": ", ".join(sorted(method.upper() for method in methods))} if methods else {}


def _nothing_there(request: Request) -> GatewayError:
    path = request.scope["path"]
    is_repeated = len(path) <= _PATH_REPEATED_MOST and not holds_long_number(path)
    return NotFoundError(f"There is nothing at {f'{request.method} {path}' if is_repeated else 'this path'}.")

"""Turns every error into one JSON shape with the right status. No stack trace leaves the process."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway_api.fields import PATTERNS
from gateway_common.errors import GatewayError
from gateway_common.logs import get_logger

_DOC_URL: Final = "/docs/errors#"
# Pydantic's findings by type, in a merchant's words.
_WORDS: Final = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request",
    "value_error": "{error}",
    # Every whole number in a body is an amount.
    "int_type": "must be a whole number of the currency's smallest unit: 50000 is 500.00 INR",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a whole number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "dict_type": "must be a JSON object",
    "list_type": "must be a list",
}
_ABOUT_THE_BODY: Final = {
    "missing": "The request needs a JSON body.",
    "string_unicode": "The body must be valid Unicode.",
}
_CODES: Final = {
    400: "invalid_request",
    405: "method_not_allowed",
    413: "payload_too_large",
}


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(GatewayError, _gateway_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


def error_response(
    request: Request,
    status: int,
    code: str,
    message: str,
    *,
    param: str | None = None,
    retryable: bool = False,
    headers: dict[str, str] | None = None,
) -> Response:
    content = {
        "code": code,
        "message": message,
        "param": param,
        "request_id": request.scope["state"].get("request_id"),
        "retryable": retryable and _may_be_repeated(request, status),
        "doc_url": f"{_DOC_URL}{code}",
    }
    return Response(orjson.dumps({"error": content}), status, headers, media_type="application/json")


def _may_be_repeated(request: Request, status: int) -> bool:
    """Whether sending it again can't do it twice: a commit whose answer got lost is not known to have failed.

    What was refused for its rate was never begun.
    """
    is_begun = status != HTTPStatus.TOO_MANY_REQUESTS
    return not is_begun or request.method != "POST" or "idempotency-key" in request.headers


async def _gateway_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)  # noqa: S101 -- Starlette's signature is wider than what it sends here.
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        # The caller reads that something is away; who is on duty must read what.
        cause = str(error.__cause__ or error).partition("\n")[0]
        get_logger().warning("http.unavailable", cause=cause, request_id=request.scope["state"].get("request_id"))
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="payment gateway", charset="UTF-8"'
    return error_response(
        request,
        error.status,
        error.code,
        error.message,
        param=error.param,
        retryable=error.retryable,
        headers=headers,
    )


async def _validation_error(request: Request, error: Exception) -> Response:
    """The first thing wrong with the input. What was sent is never repeated: it may be a card number."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    first = error.errors()[0]
    place, *location = (str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        return error_response(request, 400, "invalid_request", "The body is not valid JSON.")
    if place == "path":
        return _nothing_there(request)
    if not location and isinstance(first["input"], bytes):
        message = "Send the body as JSON, with the header Content-Type: application/json."
        return error_response(request, 415, "unsupported_media_type", message)
    message, param = explain(first, location)
    return error_response(request, 422, "validation_failed", message, param=param)


def explain(problem: dict[str, Any], location: Sequence[str]) -> tuple[str, str | None]:
    """Pydantic's finding as a sentence for whoever wrote the request, and the field it is about."""
    kind, context = problem["type"], problem.get("ctx", {})
    if not location:
        return _ABOUT_THE_BODY.get(kind, "The body must be a JSON object."), None
    if kind == "string_pattern_mismatch":
        what = PATTERNS[context["pattern"]]
    else:
        what = _WORDS[kind].format_map(context) if kind in _WORDS else problem["msg"].lower()
    if location[-1] == "[key]":
        location, what = location[:-2], f"each key {what}"
    param = ".".join(location)
    return f"{param}: {what}.", param


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == HTTPStatus.NOT_FOUND:
        return _nothing_there(request)
    code = _CODES.get(error.status_code, "invalid_request")
    message = {
        400: "The body can't be read. It must be JSON in UTF-8, without deep nesting and endless numbers.",
        405: f"{request.method} is not possible here.",
    }.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers |= _allow(request)
    return error_response(request, error.status_code, code, message, headers=headers)


def _allow(request: Request) -> dict[str, str]:
    """All methods of this path; Starlette names only those of the first route that has it."""
    path = getattr(request.scope.get("route"), "path", None)
    methods = request.app.openapi()["paths"].get(path, {})
    return {"Allow": ", ".join(sorted(method.upper() for method in methods))} if methods else {}


def _nothing_there(request: Request) -> Response:
    return error_response(request, 404, "not_found", f"There is nothing at {request.method} {request.scope['path']}.")

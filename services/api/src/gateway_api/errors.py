"""Turns every error into one JSON shape with the right status. No stack trace leaves the process."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway_common.errors import GatewayError

_DOC_URL: Final = "/docs/errors#"
_CODES: Final = {
    400: "invalid_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
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
        "retryable": retryable,
        "doc_url": f"{_DOC_URL}{code}",
    }
    return Response(orjson.dumps({"error": content}), status, headers, media_type="application/json")


async def _gateway_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)  # noqa: S101 -- Starlette's signature is wider than what it sends here.
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
    if first["type"] == "json_invalid":
        return error_response(request, 400, "invalid_request", "The body is not valid JSON.")
    location = [str(part) for part in first["loc"] if part not in {"body", "query", "path", "header"}]
    param = ".".join(location) or None
    return error_response(request, 422, "validation_failed", _explain(first, location), param=param)


def _explain(problem: dict[str, Any], location: Sequence[str]) -> str:
    match problem["type"]:
        case "missing":
            what = "is required" if location else "The request needs a JSON body"
        case "extra_forbidden":
            what = "is not a field of this request"
        case _:
            what = problem["msg"].removeprefix("Value error, ")
            what = what[:1].lower() + what[1:]
    return f"{'.'.join(location)}: {what}." if location else f"{what[:1].upper()}{what[1:]}."


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    code = _CODES.get(error.status_code, "invalid_request")
    message = {
        400: "The request can't be read: the body must be JSON in UTF-8.",
        404: f"There is nothing at {request.method} {request.url.path}.",
        405: f"{request.method} is not possible here.",
    }.get(error.status_code, str(error.detail))
    return error_response(
        request, error.status_code, code, message, headers=dict(error.headers) if error.headers else None
    )

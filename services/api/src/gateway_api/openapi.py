"""What the OpenAPI document says beyond what FastAPI reads off the routes: who may call, how errors look, that every
POST takes an Idempotency-Key, and the headers of answers. It is written down here and costs no request anything.
"""

from itertools import groupby
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel

from gateway_common.errors import GatewayError, RateLimitedError, error_kinds
from gateway_common.idempotency.model import KEY_PATTERN


class ErrorContent(BaseModel):
    code: str
    message: str
    param: str | None
    request_id: str
    retryable: bool
    doc_url: str


class ErrorBody(BaseModel):
    error: ErrorContent


ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    "default": {"model": ErrorBody, "description": "Whatever goes wrong: its code and its sentence."}
}
CLIENT_TOKEN: Final[dict[str, Any]] = {"security": [{"ApiKey": [], "ClientToken": []}]}
"""For a route that needs the token of one payment beside the publishable key."""

_SCHEMES: Final = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "ApiSecret": {"type": "apiKey", "in": "header", "name": "X-Api-Secret"},
    "Basic": {"type": "http", "scheme": "basic", "description": "The key as user name, its secret as password."},
    "ClientToken": {"type": "apiKey", "in": "header", "name": "X-Client-Token"},
}
_MERCHANT: Final[list[dict[str, list[str]]]] = [{"ApiKey": [], "ApiSecret": []}, {"Basic": []}]
MERCHANT: Final[dict[str, Any]] = {"security": _MERCHANT}
"""For a route that needs a merchant's key though the others of its tag do not."""
_BY_TAG: Final[dict[str, list[dict[str, list[str]]]]] = {"checkout": [{"ApiKey": []}], "providers": [], "test": []}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same request gives the first answer again.",
    "schema": {"type": "string", "pattern": KEY_PATTERN},
}
_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-Id": {
        "description": "The request's id: what the caller sent, or a new one. Logs and errors name it.",
        "required": True,
        "schema": {"type": "string"},
    },
    "RateLimit-Limit": {
        "description": "So many requests at once, after a rest. Not sent while nobody counts.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "RateLimit-Remaining": {
        "description": "So many of them are left.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit-Reset": {
        "description": "In so many seconds all of them are there again.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Idempotent-Replayed": {
        "description": "Sent if this is the answer that the Idempotency-Key was given before.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {
        "description": "In so many seconds the same request may succeed. Not sent where it would not.",
        "schema": {"type": "integer", "minimum": 1},
    },
}
_ON_ALL: Final = ("X-Request-Id",)
_RATE_LIMIT: Final = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
TAGS: Final = [
    {"name": "orders", "description": "Say what is to be paid, once, where no browser can change it."},
    {"name": "payments", "description": "Take a payment, follow it, capture it."},
    {"name": "refunds", "description": "Give back what was captured, in full or in part."},
    {"name": "webhooks", "description": "The addresses that hear of events, and what was delivered to them."},
    {"name": "events", "description": "Everything that happened, numbered without a gap."},
    {"name": "ledger", "description": "Where the money is: balances, and the entries they sum up."},
    {"name": "api keys", "description": "Make, rotate and revoke the merchant's own keys."},
    {"name": "idempotency", "description": "Look up what an Idempotency-Key was answered."},
    {"name": "checkout", "description": "What the customer's browser calls, with the publishable key alone."},
    {"name": "providers", "description": "What payment providers call, with their signature and no key."},
    {
        "name": "test",
        "description": "Only in test mode: see what the workers have to do, say what the simulator answers.",
    },
]
_ALWAYS: Final = {400, 422, 503}
_WITH_A_KEY: Final = {401, 403, 429}
_WITH_A_SIGNATURE: Final = {401, 429}
_WITH_A_PATH: Final = {404}
_WITH_A_POST: Final = {409}
_WITH_A_BODY: Final = {413, 415}
_DESCRIBED: Final = _ALWAYS | _WITH_A_KEY | _WITH_A_PATH | _WITH_A_POST | _WITH_A_BODY


class DescribedApp(FastAPI):
    """FastAPI with a document that names the security and the errors of every route."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            document["components"] |= {
                "headers": _HEADERS,
                "securitySchemes": _SCHEMES,
                "responses": _error_responses(),
            }
            for operations in document["paths"].values():
                for method, operation in operations.items():
                    _describe(method, operation)
        return super().openapi()


def operation_id(route: APIRoute) -> str:
    """The name of the function that answers: a client made from the document calls its own by it."""
    return route.name


def _describe(method: str, operation: dict[str, Any]) -> None:
    (tag, *_) = operation["tags"]
    security = operation.setdefault("security", _BY_TAG.get(tag, _MERCHANT))
    # A provider sends no key of ours: its own name for what it tells keeps a second copy out.
    is_keyed = method == "post" and tag != "providers"
    parameters = operation.setdefault("parameters", [])
    for parameter in parameters:
        _drop_null(parameter["schema"])
    if is_keyed:
        parameters.append(_IDEMPOTENCY_KEY)
    for status, response in operation["responses"].items():
        is_success = status != "default"
        response["headers"] = _headers(
            *_ON_ALL,
            *(_RATE_LIMIT if security and is_success else ()),
            *(("Idempotent-Replayed",) if is_keyed and is_success else ()),
        )
    statuses = set(_ALWAYS)
    statuses |= _WITH_A_KEY if security else set()
    statuses |= _WITH_A_PATH if any(parameter["in"] == "path" for parameter in parameters) else set()
    statuses |= _WITH_A_POST if is_keyed else set()
    statuses |= _WITH_A_SIGNATURE if tag == "providers" else set()
    statuses |= _WITH_A_BODY if "requestBody" in operation else set()
    for status in sorted(statuses):
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/{_name(status)}"}


def _drop_null(schema: dict[str, Any]) -> None:
    """A query parameter can be left out, but nothing that is sent in its place means null."""
    variants = [variant for variant in schema.get("anyOf", []) if variant != {"type": "null"}]
    if len(variants) == 1:
        del schema["anyOf"]
        schema.update(variants[0])


def _error_responses() -> dict[str, Any]:
    return {
        _name(status): _error_response(list(kinds))
        for status, kinds in groupby(error_kinds(), key=lambda kind: kind.status)
        if status in _DESCRIBED
    }


def _error_response(kinds: list[type[GatewayError]]) -> dict[str, Any]:
    can_wait = any(kind.retry_after_seconds is not None for kind in kinds)
    return {
        "description": "\n\n".join(f"`{kind.code}`: {kind.meaning}" for kind in kinds),
        "headers": _headers(
            *_ON_ALL,
            *(_RATE_LIMIT if RateLimitedError in kinds else ()),
            *(("Retry-After",) if can_wait else ()),
        ),
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
    }


def _headers(*names: str) -> dict[str, dict[str, str]]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _name(status: int) -> str:
    return f"Error{status}"

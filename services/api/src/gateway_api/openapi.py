"""What the OpenAPI document says beyond what FastAPI reads off the routes: who may call, how errors look, and that
every POST takes an Idempotency-Key. It is written down here and costs no request anything.
"""

from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel


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
_BY_TAG: Final[dict[str, list[dict[str, list[str]]]]] = {"checkout": [{"ApiKey": []}], "test": []}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same request gives the first answer again.",
    "schema": {"type": "string", "minLength": 8, "maxLength": 255},
}


class DescribedApp(FastAPI):
    """FastAPI with a document that names the security of every route."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            document["components"]["securitySchemes"] = _SCHEMES
            for operations in document["paths"].values():
                for method, operation in operations.items():
                    _describe(method, operation)
        return super().openapi()


def _describe(method: str, operation: dict[str, Any]) -> None:
    operation.setdefault("security", _BY_TAG.get(operation["tags"][0], _MERCHANT))
    if method == "post":
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)

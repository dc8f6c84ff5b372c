"""How a page is rendered and which headers it carries, and the page each error becomes."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from gateway_common.errors import GatewayError

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Another person's page must not come out of a cache.
    "Cache-Control": "no-store",
}
_TITLES: Final = {
    401: "Please sign in",
    403: "Not allowed",
    404: "Not found",
    503: "The API can’t be reached",
}
_TEMPLATES: Final = Environment(
    loader=PackageLoader("gateway_dashboard"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, *, status_code: int = 200, disabled_endpoints: int = 0, **words: Any) -> HTMLResponse:
    """A page from a template, with the headers every page has, and a notice if webhook endpoints are disabled."""
    page = _TEMPLATES.get_template(template).render(words, disabled_endpoints=disabled_endpoints)
    return HTMLResponse(page, status_code, SECURITY_HEADERS)


def install_error_pages(app: FastAPI) -> None:
    app.add_exception_handler(GatewayError, _gateway_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _broken)


def _error_page(status: int, sentence: str) -> HTMLResponse:
    title = _TITLES.get(status, "This did not work")
    return render("error.html", status_code=status, title=title, sentence=sentence, login=None)


async def _gateway_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)  # noqa: S101 -- Starlette's signature is wider than what it sends here.
    page = _error_page(error.status, error.message)
    if error.status == HTTPStatus.UNAUTHORIZED:
        page.headers["WWW-Authenticate"] = 'Basic realm="payment gateway", charset="UTF-8"'
    if error.retry_after_seconds is not None:
        page.headers["Retry-After"] = str(error.retry_after_seconds)
    return page


async def _invalid(_: Request, __: Exception) -> Response:
    """Pages have no forms yet: a query that fits no page is an address that leads nowhere."""
    return _error_page(HTTPStatus.NOT_FOUND, "There is nothing under this address.")


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 -- Starlette's signature is wider than what it sends here.
    sentence = "There is nothing under this address." if error.status_code == HTTPStatus.NOT_FOUND else error.detail
    page = _error_page(error.status_code, sentence)
    page.headers.update(error.headers or {})
    return page


async def _broken(_: Request, __: Exception) -> Response:
    return _error_page(HTTPStatus.INTERNAL_SERVER_ERROR, "Something broke on our side. It is in the log.")

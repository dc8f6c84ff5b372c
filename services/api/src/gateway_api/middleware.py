"""Around every request: its id and trace, a cap on its body, one log line, metrics. Plain ASGI, for it is hot."""

import re
import time
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_api.errors import error_response
from gateway_common.clock import Clock
from gateway_common.errors import InternalError, PayloadTooLargeError
from gateway_common.ids import REQUEST, new_id
from gateway_common.logs import get_logger
from gateway_common.telemetry import http_metrics, new_traceparent, parse_traceparent, trace_id

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_PROBES: Final = {"/healthz", "/readyz"}
_PUBLIC_PREFIX: Final = "/api/v1/checkout/"


class RequestContext:
    """Gives `request.state` a `request_id` and a `traceparent`, and tells what became of the request."""

    def __init__(self, app: ASGIApp, *, body_max_bytes: int, clock: Clock) -> None:
        self._app = app
        self._body_max_bytes = body_max_bytes
        self._clock = clock
        self._log = get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = Headers(scope=scope)
        request_id = headers.get("x-request-id", "")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = new_id(REQUEST, self._clock())
        traceparent = parse_traceparent(headers.get("traceparent")) or new_traceparent()
        state = scope.setdefault("state", {})
        state |= {"request_id": request_id, "traceparent": traceparent}
        status, started_answer = 500, False

        async def send_with_id(message: Message) -> None:
            nonlocal status, started_answer
            if message["type"] == "http.response.start":
                status, started_answer = message["status"], True
                limited = state.get("rate_limit")
                headers = [(b"x-request-id", request_id.encode()), *(limited.headers if limited else ())]
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        try:
            await self._app(scope, _capped(receive, headers, self._body_max_bytes), send_with_id)
        except Exception as error:
            self._log.exception("http.broken", request_id=request_id, error=repr(error))
            if started_answer:
                # Half an answer is out; only breaking the connection tells the caller not to trust it.
                raise
            message = "Something broke on our side. It is logged under this request id."
            response = error_response(Request(scope), InternalError(message))
            await response(scope, receive, send_with_id)
        self._tell(scope, status, time.perf_counter() - started)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        count, duration = http_metrics(route, scope["method"], status)
        count.inc()
        duration.observe(seconds)
        if scope["path"] in _PROBES:
            return
        state = scope["state"]
        self._log.info(
            "http.request",
            method=scope["method"],
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            request_id=state["request_id"],
            trace_id=trace_id(state["traceparent"]),
            **state.get("log", {}),
        )


def _capped(receive: Receive, headers: Headers, most: int) -> Receive:
    """Refuses a body as soon as it is known to be too long, before it is all here."""
    declared = headers.get("content-length", "")
    read = 0

    async def receive_capped() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > most or (declared.isascii() and declared.isdigit() and int(declared) > most):
            raise PayloadTooLargeError(f"The body is longer than {most} bytes.")
        return message

    return receive_capped


class CheckoutCors:
    """Lets any page's script call the checkout API, and nothing else: a publishable key opens no more."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app,
            allow_origins=["*"],
            allow_methods=["GET", "POST"],
            allow_headers=["content-type", "idempotency-key", "x-api-key", "x-client-token"],
            expose_headers=[
                *("x-request-id", "retry-after", "idempotent-replayed"),
                *("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
            ],
            max_age=600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_public = scope["type"] == "http" and scope["path"].startswith(_PUBLIC_PREFIX)
        await (self._open if is_public else self._app)(scope, receive, send)

"""One webhook request: sent under one deadline, its answer read up to a cap, every failure put into plain words."""

import asyncio
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import Final

import httpcore

from gateway_common.clock import Clock
from gateway_common.webhooks.outcome import AttemptResult
from gateway_webhook_dispatcher.guard import GuardedBackend

RESPONSE_READ_MOST_BYTES: Final = 64 * 1024
RESPONSE_KEPT_BYTES: Final = 4 * 1024
ERROR_KEPT_CHARACTERS: Final = 300
"""The parser's complaint repeats what it could not read, however much that is."""


class WebhookClient:
    """A pool of kept-alive connections that follows no redirect, knows no proxy and asks for no compression."""

    def __init__(
        self, *, timeout_seconds: float, kept_connections: int, allow_private_networks: bool, clock: Clock
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._backend = GuardedBackend(allow_private_networks=allow_private_networks)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            # How many are open at once is the dispatcher's to limit. A request whose deadline passes while it waits
            # for a place in httpcore's pool takes that place with it for ever.
            max_connections=None,
            max_keepalive_connections=kept_connections,
            keepalive_expiry=30,
            network_backend=self._backend,
        )

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> AttemptResult:
        """Send the body once. Never raises for what the network or the receiver does: the result says it."""
        started_at, started = self._clock(), time.monotonic()
        status, content, retry_after, error = None, b"", None, None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                async with self._pool.stream("POST", url, headers=list(headers.items()), content=body) as response:
                    status = response.status
                    retry_after = _retry_after_seconds(response.headers, self._clock)
                    content = await _read_capped(response)
        except TimeoutError:
            status, error = None, f"no complete answer within {self._timeout_seconds:g} s"
        except (httpcore.ConnectError, httpcore.UnsupportedProtocol, ssl.SSLError, OSError) as problem:
            status, error = None, f"no connection: {problem}"
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as problem:
            status, error = None, f"connection broke: {problem or type(problem).__name__}"
        if status is not None and not 200 <= status < 300:  # noqa: PLR2004
            error = _explain(status)
        return AttemptResult(
            started_at=started_at,
            duration_ms=round((time.monotonic() - started) * 1000),
            response_status=status,
            response_body=content[:RESPONSE_KEPT_BYTES],
            error=error and error[:ERROR_KEPT_CHARACTERS],
            retry_after_seconds=retry_after,
        )

    async def close(self) -> None:
        await self._pool.aclose()
        self._backend.close()


async def _read_capped(response: httpcore.Response) -> bytes:
    """The body, or its beginning: what comes after the cap is never read, and the connection is given up with it."""
    content = b""
    async for chunk in response.aiter_stream():
        content += chunk
        if len(content) >= RESPONSE_READ_MOST_BYTES:
            break
    return content


def _explain(status: int) -> str:
    if 300 <= status < 400:  # noqa: PLR2004
        return f"answered {status}: redirects are not followed, give the final address"
    return f"answered {status}"


def _retry_after_seconds(headers: list[tuple[bytes, bytes]], clock: Clock) -> float | None:
    """Retry-After in either of its forms (RFC 9110, 10.2.3); None if there is none, or nonsense."""
    value = next((value.decode("latin-1") for name, value in headers if name.lower() == b"retry-after"), None)
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - clock()).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None

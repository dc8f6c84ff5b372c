"""One webhook request: sent under one deadline, its answer read up to a cap, every failure put into plain words."""

import asyncio
import math
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp

from gateway_common.clock import Clock
from gateway_common.webhooks.outcome import AttemptResult, FailureReason
from gateway_webhook_dispatcher.connector import GuardedConnector
from gateway_webhook_dispatcher.failures import AttemptFailedError
from gateway_webhook_dispatcher.guard import Guard
from gateway_webhook_dispatcher.resolver import Resolver
from gateway_webhook_dispatcher.response import READ_MOST_BYTES, judge, kept_of, read_capped, retry_after_seconds
from gateway_webhook_dispatcher.stopwatch import STOPWATCH, Stopwatch

ERROR_KEPT_CHARACTERS: Final = 300
"""The parser's complaint repeats what it could not read, however much that is."""
_HEADERS_MOST: Final = 100
_HEADER_MOST_BYTES: Final = 8 * 1024
_NO_DEADLINE: Final = aiohttp.ClientTimeout()
"""aiohttp's own deadlines round up and leave the name servers out; ours is over everything."""


class WebhookClient:
    """Keeps connections alive, follows no redirect, knows no proxy and no cookie, asks for no compression."""

    def __init__(
        self,
        *,
        guard: Guard,
        kept_connections: int,
        timeout_seconds: float,
        clock: Clock,
        longest_timeout_seconds: float = math.inf,
        resolver: Resolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard
        self._timeout_seconds = timeout_seconds
        self._longest_timeout_seconds = longest_timeout_seconds
        self._clock = clock
        self._resolver = resolver or Resolver()
        ssl_context = ssl_context or ssl.create_default_context()
        ssl_context.set_alpn_protocols(["http/1.1"])
        self._session = aiohttp.ClientSession(
            connector=GuardedConnector(
                guard=guard, resolver=self._resolver, kept_connections=kept_connections, ssl_context=ssl_context
            ),
            headers={"Accept-Encoding": "identity"},
            skip_auto_headers=("Accept", "Content-Type", "User-Agent"),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            timeout=_NO_DEADLINE,
            auto_decompress=False,
            read_bufsize=READ_MOST_BYTES,
            max_headers=_HEADERS_MOST,
            max_line_size=_HEADER_MOST_BYTES,
            max_field_size=_HEADER_MOST_BYTES,
        )

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        livemode: bool,
        timeout_seconds: float | None = None,
    ) -> AttemptResult:
        """Send the body once. Never raises for what the network or the receiver does: the result says it."""
        attempt = _Attempt(self._clock)
        asked = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        seconds = min(asked, self._longest_timeout_seconds)
        token = STOPWATCH.set(attempt.watch)
        try:
            async with asyncio.timeout(seconds):
                target = self._guard.read_url(url, livemode=livemode)
                attempt.response = await self._session.post(target, headers=headers, data=body, allow_redirects=False)
                attempt.watch.note_answer()
                await read_capped(attempt.response.content, attempt.body)
        except TimeoutError:
            attempt.fail(FailureReason.TIMEOUT, f"no complete answer within {seconds:g} s: {attempt.watch.waits_for}")
        except AttemptFailedError as problem:
            attempt.fail(problem.reason, problem.words)
        except aiohttp.ClientResponseError as problem:
            attempt.fail(FailureReason.NOT_HTTP, f"what came is no HTTP response: {problem.message}")
        except aiohttp.ClientPayloadError as problem:
            attempt.fail(FailureReason.CONNECTION_BROKEN, f"connection broke: the response broke off: {problem}")
        except (aiohttp.ClientError, OSError) as problem:
            attempt.fail(FailureReason.CONNECTION_BROKEN, f"connection broke: {problem or type(problem).__name__}")
        finally:
            STOPWATCH.reset(token)
            attempt.close()
        return attempt.result()

    async def close(self) -> None:
        await self._session.close()
        self._resolver.close()


class _Attempt:
    """What is known of one attempt while it runs."""

    def __init__(self, clock: Clock) -> None:
        self.watch = Stopwatch()
        self.response: aiohttp.ClientResponse | None = None
        self.body = bytearray()
        self._clock = clock
        self._started_at = clock()
        self._failure: tuple[FailureReason, str] | None = None

    def fail(self, reason: FailureReason, words: str) -> None:
        self._failure = reason, words

    def close(self) -> None:
        """Stop the watch, and give up a connection that still has something to say; a whole one is kept already."""
        self.watch.stop()
        if self.response is not None:
            self.response.close()

    def result(self) -> AttemptResult:
        reason, error = self._failure or (None, None)
        response = self.response
        # A failure stands whether or not its body ended; a success is one only when all of it, up to the cap, came.
        if response is not None and (self._failure is None or judge(response)[0]):
            reason, error = judge(response)
        elif response is not None:
            response = None
        return AttemptResult(
            started_at=self._started_at,
            duration_ms=self.watch.duration_ms,
            phases=self.watch.phases(),
            response_status=response.status if response else None,
            response_body=kept_of(self.body, response.headers.get("Content-Encoding")) if response else b"",
            reason=reason,
            error=error and _in_print(error),
            retry_after_seconds=retry_after_seconds(response, self._clock) if response else None,
        )


def _in_print(words: str) -> str:
    """The words without what a receiver may have hidden in them: line ends, zeros, halves of characters."""
    return "".join(character if character.isprintable() else "?" for character in words[:ERROR_KEPT_CHARACTERS])

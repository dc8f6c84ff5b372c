"""One request to Stripe under one deadline: its answer, or why there is none. What an answer means is not known here.

A form may hold a card and a header holds the secret key, so of an exception only its type is told.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx
import orjson

from gateway_processor.providers.base import Unknown, Unreachable
from gateway_processor.providers.stripe.messages import Answer, Call

STRIPE_VERSION: Final = "2024-06-20"
"""The API as this adapter was written for: https://docs.stripe.com/api/versioning. An account's own may be any."""
CONNECT_SECONDS: Final = 5.0
KEPT_CONNECTIONS_MOST: Final = 100
ANSWER_MOST_BYTES: Final = 1024 * 1024
IN_USE_PAUSE_SECONDS: Final = 0.2
_CONFLICT: Final = 409


class StripeClient:
    """A pool of kept-alive connections that follows no redirect and knows no proxy. Keys are by mode."""

    def __init__(self, base_url: str, secret_keys: Mapping[bool, str], *, concurrency: int) -> None:
        self._secret_keys = dict(secret_keys)
        self._http = httpx.AsyncClient(
            base_url=base_url,
            # How many are open at once follows from the slots of the processor. A request whose deadline passes while
            # it waits for a place in the pool would take that place with it for ever.
            limits=httpx.Limits(
                max_connections=None,
                max_keepalive_connections=min(concurrency, KEPT_CONNECTIONS_MOST),
                keepalive_expiry=30,
            ),
            headers={"Stripe-Version": STRIPE_VERSION, "User-Agent": "payment-gateway"},
            follow_redirects=False,
            trust_env=False,
        )

    async def send(self, call: Call, *, livemode: bool, timeout_seconds: float) -> Answer | Unknown | Unreachable:
        """Stripe's answer. Unreachable: nothing was sent. Unknown: it may have been, and there was no answer.

        While another request with the same key is at work Stripe answers 409; its answer is waited for.
        """
        secret_key = self._secret_keys.get(livemode)
        if secret_key is None:
            return Unreachable(f"there is no key for Stripe's {'live' if livemode else 'test'} mode")
        ends_at = time.monotonic() + timeout_seconds
        answer = await self._send(call, secret_key, timeout_seconds)
        while isinstance(answer, Answer) and answer.status == _CONFLICT:
            left_seconds = ends_at - time.monotonic() - IN_USE_PAUSE_SECONDS
            if left_seconds < IN_USE_PAUSE_SECONDS:
                break
            await asyncio.sleep(IN_USE_PAUSE_SECONDS)
            answer = await self._send(call, secret_key, left_seconds)
            if isinstance(answer, Unreachable):
                # This try did not get there, but the one that has the key did.
                return Unknown(answer.reason)
        return answer

    async def _send(self, call: Call, secret_key: str, timeout_seconds: float) -> Answer | Unknown | Unreachable:
        # A connection that takes all the time there is must be known to have failed as one.
        connect_seconds = min(CONNECT_SECONDS, timeout_seconds / 2)
        headers = {"Authorization": f"Bearer {secret_key}"} | ({"Idempotency-Key": call.key} if call.key else {})
        is_post = call.method == "POST"
        try:
            async with asyncio.timeout(timeout_seconds):
                async with self._http.stream(
                    call.method,
                    call.path,
                    data=call.form if is_post else None,
                    params=None if is_post else call.form,
                    headers=headers,
                    timeout=httpx.Timeout(timeout_seconds, connect=connect_seconds),
                ) as response:
                    content = await _read_capped(response)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return Unreachable(f"no connection to Stripe: {type(error).__name__}")
        except (httpx.HTTPError, TimeoutError) as error:
            return Unknown(f"no answer from Stripe: {type(error).__name__}")
        return Answer(response.status_code, _parse(content), response.headers.get("Request-Id"))

    async def close(self) -> None:
        await self._http.aclose()


async def _read_capped(response: httpx.Response) -> bytes:
    content = b""
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > ANSWER_MOST_BYTES:
            return b""
    return content


def _parse(content: bytes) -> Mapping[str, Any]:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}

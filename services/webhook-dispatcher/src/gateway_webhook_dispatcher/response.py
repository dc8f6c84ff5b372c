"""What is read of a receiver's response: a beginning of it, never more, and what follows from it."""

import zlib
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from aiohttp import ClientResponse, StreamReader

from gateway_common.clock import Clock
from gateway_common.webhooks.outcome import FailureReason

READ_MOST_BYTES: Final = 64 * 1024
KEPT_BYTES: Final = 4 * 1024
LOCATION_CHARACTERS: Final = 200
_GONE: Final = 410
# Some take deflate for what has zlib's head, as RFC 9110 says, some for what has none.
_WINDOWS: Final = {
    "gzip": (zlib.MAX_WBITS | 16,),
    "x-gzip": (zlib.MAX_WBITS | 16,),
    "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS),
}


async def read_capped(content: StreamReader, into: bytearray) -> None:
    """Append the body, or its beginning: what comes after the cap is never read."""
    while len(into) < READ_MOST_BYTES:
        chunk = await content.readany()
        if not chunk:
            return
        into += chunk[: READ_MOST_BYTES - len(into)]


def kept_of(body: bytes | bytearray, coding: str | None) -> bytes:
    """The beginning of a body, decompressed if the receiver compresses although we ask it not to.

    No more is ever decompressed than is kept, whatever the body would become. A body in a coding that we don't know, or
    that is not in the one it says, is kept as it came.
    """
    for window in _WINDOWS.get((coding or "").strip().lower(), ()):
        unpacker = zlib.decompressobj(window)
        try:
            unpacked = unpacker.decompress(body, KEPT_BYTES)
        except zlib.error:
            continue
        if unpacked or unpacker.eof:
            return unpacked
    return bytes(body[:KEPT_BYTES])


def judge(response: ClientResponse) -> tuple[FailureReason | None, str | None]:
    """Why the response is no success, in one word and in a sentence; None and None if it is one."""
    status = response.status
    if 200 <= status < 300:  # noqa: PLR2004
        return None, None
    if status == _GONE:
        return FailureReason.GONE, f"answered {status}: the receiver wants no more webhooks"
    if not 300 <= status < 400:  # noqa: PLR2004
        return FailureReason.STATUS, f"answered {status}"
    location = response.headers.get("Location", "")[:LOCATION_CHARACTERS]
    target = f", a redirect to {location}" if location else ""
    return FailureReason.REDIRECT, f"answered {status}{target}: redirects are not followed, give the final address"


def retry_after_seconds(response: ClientResponse, clock: Clock) -> float | None:
    """Retry-After in either of its forms (RFC 9110, 10.2.3); None if there is none, or nonsense."""
    value = response.headers.get("Retry-After")
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        # The two old forms name no zone; all three mean GMT.
        return max(0.0, ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - clock()).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None

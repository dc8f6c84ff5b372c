"""Makes the connections that webhooks are sent on: judges each address, dials the very address it judged, keeps few.

The place for that is aiohttp's `BaseConnector`, whose subclasses make connections their way. aiohttp's own
`TCPConnector` asks a resolver about names but not about addresses that stand in the URL.
"""

import asyncio
import socket
import ssl
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohappyeyeballs import AddrInfoType, start_connection
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

from gateway_common.webhooks.outcome import FailureReason
from gateway_webhook_dispatcher.failures import AttemptFailedError, tls_failed, unreachable
from gateway_webhook_dispatcher.guard import Guard
from gateway_webhook_dispatcher.resolver import Resolver
from gateway_webhook_dispatcher.stopwatch import STOPWATCH

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest, ConnectionKey
    from aiohttp.http import RawResponseMessage
    from aiohttp.streams import StreamReader
    from aiohttp.tracing import Trace

KEPT_SECONDS: Final = 4.0
"""Node and uvicorn close after 5 s. Below that, a receiver does not hang up just as the next request is sent."""
ADDRESSES_MOST: Final = 8
NEXT_ADDRESS_SECONDS: Final = 0.25
"""What RFC 8305 advises: after so long without a connection the next address is tried too."""
RECEIVE_BUFFER_BYTES: Final = 64 * 1024
"""The kernel takes in no more of an endless answer than about twice that, and hands no more over at once."""
HEAD_MOST_BYTES: Final = 64 * 1024
RESPONSE_MOST_BYTES: Final = 1024 * 1024
"""On the wire, for the part of a body that is read: chunks may have much more about them than in them."""
INTERIM_MOST: Final = 16
_PIECE_BYTES: Final = 8 * 1024
_LOWEST_STATUS: Final = 100
_SWITCHING_PROTOCOLS: Final = 101
_LOWEST_FINAL_STATUS: Final = 200


class GuardedConnector(aiohttp.BaseConnector):
    """As many connections as are asked for at once (that is the dispatcher's to limit), few that are kept."""

    allowed_protocol_schema_set = frozenset({"http", "https"})

    def __init__(self, *, guard: Guard, resolver: Resolver, kept_connections: int, ssl_context: ssl.SSLContext) -> None:
        super().__init__(limit=0, keepalive_timeout=KEPT_SECONDS)
        self._guard = guard
        self._resolver = resolver
        self._kept_most = kept_connections
        self._ssl_context = ssl_context
        self._factory = partial(_new_reader, self._loop)

    async def _create_connection(
        self,
        req: "ClientRequest",
        traces: "list[Trace]",  # noqa: ARG002 -- aiohttp's signature.
        timeout: aiohttp.ClientTimeout,  # noqa: ARG002, ASYNC109
    ) -> ResponseHandler:
        """Resolve, judge, dial, and shake hands. A name that answers differently next time gains nothing by it."""
        watch = STOPWATCH.get()
        watch.dialling = True
        # The dot at the end of a full name is in no certificate.
        host, port = (req.url.raw_host or "").rstrip("."), req.url.port or 0
        addresses = await self._resolver.resolve(host, port)
        watch.resolved = monotonic()
        allowed = [address for address in addresses if self._guard.permits(address)]
        if not allowed:
            raise AttemptFailedError(
                FailureReason.ADDRESS_REFUSED, f"no connection to {host}: it leads to an address that is not public"
            )
        connection = await self._dial(host, [_addr_info(address, port) for address in allowed[:ADDRESSES_MOST]])
        watch.connected = monotonic()
        context = self._ssl_context if req.is_ssl() else None
        try:
            _, protocol = await self._loop.create_connection(
                self._factory, sock=connection, ssl=context, server_hostname=host if context else None
            )
        except OSError as error:
            raise tls_failed(host, error) from error
        watch.ready = monotonic()
        watch.secured = watch.ready if context else None
        return protocol

    async def _dial(self, host: str, addresses: list[AddrInfoType]) -> socket.socket:
        try:
            return await start_connection(
                addresses,
                happy_eyeballs_delay=NEXT_ADDRESS_SECONDS,
                interleave=1,
                loop=self._loop,
                socket_factory=_open_socket,
            )
        except (OSError, RuntimeError) as error:  # uvloop raises RuntimeError for some addresses.
            raise unreachable(host, error) from error

    def _release(self, key: "ConnectionKey", protocol: ResponseHandler, *, should_close: bool = False) -> None:
        """Keep the connection if it is whole and there is a place; else cut it.

        aiohttp would close it politely: flush what is unsent, say good-bye to TLS. A receiver that reads nothing could
        hold on to that for ever.
        """
        if should_close or protocol.should_close or sum(map(len, self._conns.values())) >= self._kept_most:
            protocol.abort()
            should_close = True
        super()._release(key, protocol, should_close=should_close)


class ResponseReader(ResponseHandler):
    """aiohttp's parser with an end to what comes before a response: so many bytes of heads, so many 1xx.

    aiohttp limits each header and their number, which together may still be a megabyte, and takes any number of 1xx.
    A connection that says more than it is asked is given up, so that no response is taken for another request's.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._received_bytes = 0
        self._interim = 0
        self._in_head = True

    def set_response_params(self, **parameters: object) -> None:
        """Be ready for the next request's response."""
        self._received_bytes = self._interim = 0
        self._in_head = True
        super().set_response_params(**parameters)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Parse what came, in small pieces as long as it is a head, so that the limits end it early."""
        if data and not self._in_head and self._payload is not None and self._payload.is_eof():
            self._give_up("more than one response")
            return
        while self._in_head and len(data) > _PIECE_BYTES:
            self._receive(data[:_PIECE_BYTES])
            data = data[_PIECE_BYTES:]
        self._receive(data)

    def _receive(self, data: bytes) -> None:
        if self.exception() is not None:
            return
        self._received_bytes += len(data)
        super().data_received(data)
        most = HEAD_MOST_BYTES if self._in_head else RESPONSE_MOST_BYTES
        if self._received_bytes > most:
            self._give_up(f"a {'head' if self._in_head else 'response'} of more than {most // 1024} KiB")

    def feed_data(self, data: "tuple[RawResponseMessage, StreamReader]", size: int = 0) -> None:
        """Take in a parsed head."""
        status = data[0].code
        if not self._in_head:
            self._give_up("more than one response")
            return
        self._in_head = status < _LOWEST_FINAL_STATUS
        self._interim += self._in_head
        if status < _LOWEST_STATUS or status == _SWITCHING_PROTOCOLS:
            self._give_up(f"a status of {status}")
        elif self._interim > INTERIM_MOST:
            self._give_up(f"more than {INTERIM_MOST} interim responses")
        else:
            super().feed_data(data, size)

    def _give_up(self, words: str) -> None:
        if self.exception() is None:
            self.set_exception(HttpProcessingError(message=words))
            if self._payload is not None and not self._payload.is_eof():
                self._payload.set_exception(aiohttp.ClientPayloadError(words))
        if self.transport is not None:
            self.transport.abort()


def _new_reader(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return ResponseReader(loop)


def _addr_info(address: str, port: int) -> AddrInfoType:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)


def _open_socket(addr_info: AddrInfoType) -> socket.socket:
    opened = socket.socket(*addr_info[:3])
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return opened

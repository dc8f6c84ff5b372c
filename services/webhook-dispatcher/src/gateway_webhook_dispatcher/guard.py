"""Which addresses a merchant's URL may lead to. Decided on the address that is dialled, never on the name."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from httpcore import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream, ConnectError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Nothing outside of it is assigned to anybody; what is in use there embeds another address or is local to a site.
_IPV6_INTERNET: Final = ipaddress.ip_network("2000::/3")
# What `is_global` lets through, in some version of Python, and a webhook must not reach: addresses that embed another
# one, relays, documentation, and the address at which Azure serves its virtual machines.
_NEVER: Final = [
    ipaddress.ip_network(block)
    for block in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "2002::/16", "3fff::/20")
]


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet. False for whatever can't be read as one."""
    try:
        parsed: _Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    if mapped is not None:
        parsed = mapped
    if not parsed.is_global or parsed.is_multicast:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed not in _IPV6_INTERNET:
        return False
    return not any(parsed in block for block in _NEVER if block.version == parsed.version)


LOOKUPS_MOST: Final = 64


class Resolver:
    """Looks names up in threads of its own, each name once at a time.

    The loop's own look-ups share a handful of threads with every connection of the process: one merchant's name server
    that hangs would stop all deliveries, and the database's reconnects with them.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_MOST, thread_name_prefix="dns")
        self._running: dict[tuple[str, int], asyncio.Future[list[Any]]] = {}

    async def resolve(self, host: str, port: int) -> list[Any]:
        """The answer of `socket.getaddrinfo`; OSError or UnicodeError as it raises them."""
        lookup = self._running.get((host, port))
        if lookup is None:
            look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
            lookup = asyncio.get_running_loop().run_in_executor(self._threads, look_up)
            self._running[host, port] = lookup
            lookup.add_done_callback(partial(self._forget, (host, port)))
        # Who gives up waiting must not take the answer from the others.
        return await asyncio.shield(lookup)

    def _forget(self, name: tuple[str, int], lookup: asyncio.Future[list[Any]]) -> None:
        del self._running[name]
        if not lookup.cancelled():
            lookup.exception()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedBackend(AsyncNetworkBackend):
    """Resolves a name, refuses what is not public, and connects to the very address it judged.

    A name that answers differently the second time gains nothing: there is no second time. TLS is still checked
    against the original name, by the pool above.
    """

    def __init__(self, *, allow_private_networks: bool) -> None:
        self._allow_private_networks = allow_private_networks
        self._backend = AnyIOBackend()
        self._resolver = Resolver()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 -- httpcore's signature.
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        try:
            found = await self._resolver.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise ConnectError(f"the name {host} can't be resolved") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        allowed = [address for address in addresses if self._allow_private_networks or is_public(address)]
        if not allowed:
            raise ConnectError(f"{host} leads to an address that is not public")
        for address in allowed[:-1]:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except ConnectError:
                continue
        return await self._backend.connect_tcp(allowed[-1], port, timeout, local_address, socket_options)

    def close(self) -> None:
        self._resolver.close()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

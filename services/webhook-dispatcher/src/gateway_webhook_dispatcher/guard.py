"""Which addresses a merchant's URL may lead to. Decided on the address that is dialled, never on the name."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
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


class GuardedBackend(AsyncNetworkBackend):
    """Resolves a name, refuses what is not public, and connects to the very address it judged.

    A name that answers differently the second time gains nothing: there is no second time. TLS is still checked
    against the original name, by the pool above.
    """

    def __init__(self, *, allow_private_networks: bool) -> None:
        self._allow_private_networks = allow_private_networks
        self._backend = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 -- httpcore's signature.
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
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

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

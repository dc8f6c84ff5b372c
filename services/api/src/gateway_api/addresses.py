"""Where a request comes from, as far as rate limits care. Whom to believe about it is the proxy middleware's."""

from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.types import Scope

UNKNOWN: Final = "unknown"
_IPV6_PREFIX: Final = 64


def parse_trusted_proxies(value: str) -> tuple[str, ...]:
    """Read addresses and networks such as `10.0.0.0/8,2001:db8::1`; ValueError names the one that is neither."""
    return tuple(str(ip_network(part.strip())) for part in value.split(",") if part.strip())


def bucket_address(scope: Scope) -> str:
    """The address whose bucket the request takes from.

    Of IPv6 it is the /64: whoever has one address there has all of them. What is no address, such as a word that a
    proxy passed on, shares one bucket, so that nobody gets a new one by writing a new word.
    """
    client = scope.get("client")
    try:
        address = ip_address(client[0] if client else "")
    except ValueError:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((int(address), _IPV6_PREFIX), strict=False))
    return str(address)

"""Which addresses a merchant's URL may lead to: pure rules. Names are judged by the addresses that are dialled."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from yarl import URL

from gateway_common.webhooks.outcome import FailureReason
from gateway_webhook_dispatcher.failures import AttemptFailedError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HTTPS_PORT: Final = 443
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
    parsed = _parse(address)
    if parsed is None or not parsed.is_global or parsed.is_multicast:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed not in _IPV6_INTERNET:
        return False
    return not any(parsed in block for block in _NEVER if block.version == parsed.version)


def _parse(address: str) -> _Address | None:
    """The address without its zone; the IPv4 one where IPv6 only wraps it (`::ffff:10.0.0.1`)."""
    try:
        parsed: _Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read networks and addresses such as `10.20.0.0/16,fd00::/8`; ValueError names the one that is neither."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What this installation allows."""

    allow_private_networks: bool = False
    allowed_networks: Sequence[Network] = ()
    """The operator's own: reached although they are not public."""
    live_ports: frozenset[int] = frozenset({HTTPS_PORT})

    def permits(self, address: str) -> bool:
        """Whether the address may be dialled."""
        if self.allow_private_networks or is_public(address):
            return True
        parsed = _parse(address)
        return parsed is not None and any(
            parsed in network for network in self.allowed_networks if network.version == parsed.version
        )

    def read_url(self, url: str, *, livemode: bool) -> URL:
        """The URL, parsed once for judging and sending alike; AttemptFailedError for one that is not sent to."""
        try:
            parsed = URL(url)
            host, port = parsed.raw_host, parsed.port
        except ValueError as error:
            raise _refused("it is no URL") from error
        if parsed.scheme not in {"http", "https"} or not host or not port:
            raise _refused("it is not of the form https://host/path")
        if parsed.raw_user is not None or parsed.raw_password is not None:
            raise _refused("it holds a user name or a password")
        if "%" in host:
            raise _refused("its address holds a zone")
        if livemode and parsed.scheme != "https":
            raise _refused("in live mode it must begin with https://")
        if livemode and port not in self.live_ports:
            ports = ", ".join(map(str, sorted(self.live_ports)))
            raise _refused(f"in live mode its port must be {ports}")
        return parsed


def _refused(words: str) -> AttemptFailedError:
    return AttemptFailedError(FailureReason.ADDRESS_REFUSED, f"the URL is not sent to: {words}")

"""Which addresses are of the public internet, address by address, and what a name may not hide."""

import pytest
from httpcore import ConnectError

from gateway_webhook_dispatcher.guard import GuardedBackend, is_public

NOT_PUBLIC = {
    "this network": ["0.0.0.0", "0.1.2.3"],  # noqa: S104 -- an address to refuse, not one to listen on.
    "private": ["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"],
    "carrier NAT": ["100.64.0.1", "100.127.255.255", "100.100.100.200"],
    "loopback": ["127.0.0.1", "127.1.2.3", "127.255.255.255"],
    "link-local and metadata": ["169.254.0.1", "169.254.169.254", "169.254.170.2", "168.63.129.16"],
    "protocol assignments": ["192.0.0.1", "192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1"],
    "6to4 relay": ["192.88.99.1"],
    "benchmarks": ["198.18.0.1", "198.19.255.255"],
    "multicast": ["224.0.0.1", "233.252.0.1", "239.255.255.255"],
    "reserved and broadcast": ["240.0.0.1", "255.255.255.254", "255.255.255.255"],
    "IPv6 unspecified and loopback": ["::", "::1"],
    "IPv4 mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1"],
    "IPv4 compatible": ["::127.0.0.1", "::10.0.0.1", "::8.8.8.8"],
    "IPv4 translated": ["::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"],
    "NAT64": ["64:ff9b::127.0.0.1", "64:ff9b::8.8.8.8", "64:ff9b:1::10.0.0.1"],
    "6to4": ["2002:7f00:1::", "2002:a00:1::1", "2002:808:808::1"],
    "Teredo and other protocol assignments": ["2001::1", "2001:0:7f00:1::", "2001:1::1", "2001:10::1", "2001:20::1"],
    "IPv6 documentation": ["2001:db8::1", "3fff::1", "3fff:fff::1"],
    "IPv6 link-local and site-local": ["fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "feff::1"],
    "IPv6 unique local and its metadata": ["fc00::1", "fd00::1", "fd00:ec2::254", "fdff::1"],
    "IPv6 multicast": ["ff00::1", "ff02::1", "ff0e::1"],
    "IPv6 discard and dummy": ["100::1", "100:0:0:1::1"],
    "IPv6 segment routing": ["5f00::1"],
    "IPv6 that nobody has": ["4000::1", "8000::1", "1000::1", "fe00::1"],
    "no address at all": ["", "localhost", "127.0.0.1.", "1.2.3", "0x7f000001", "2130706433", "::1::", "8.8.8.8/32"],
}
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1",
    "169.253.255.255", "169.255.0.1", "172.15.255.255", "172.32.0.1", "192.0.1.1", "192.0.3.1", "192.167.255.255",
    "192.169.0.1", "198.17.255.255", "198.20.0.1", "203.0.112.255", "203.0.114.1", "223.255.255.254",
    "2001:200::1", "2001:4860:4860::8888", "2400:cb00::1", "2606:4700:4700::1111", "2003::1", "2a00:1450:4001::1",
    "3ffe::1", "::ffff:8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize(
    "address",
    [pytest.param(address, id=f"{kind}: {address}") for kind, addresses in NOT_PUBLIC.items() for address in addresses],
)
def test_an_address_that_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_let_through(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "127.1", "0x7f000001", "017700000001", "2130706433", "::1", "::ffff:127.0.0.1", "0"],
)
async def test_a_name_that_leads_to_loopback_is_refused_before_anything_is_dialled(host: str) -> None:
    backend = GuardedBackend(allow_private_networks=False)

    with pytest.raises(ConnectError, match="leads to an address that is not public"):
        await backend.connect_tcp(host, 9)


async def test_a_name_that_can_be_none_is_refused() -> None:
    backend = GuardedBackend(allow_private_networks=False)

    with pytest.raises(ConnectError, match="can't be resolved"):
        await backend.connect_tcp(f"{'a' * 64}.example", 443)

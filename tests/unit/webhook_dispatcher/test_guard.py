"""Which addresses are of the public internet, address by address, and which URLs are not sent to at all."""

import pytest

from gateway_common.webhooks.outcome import FailureReason
from gateway_webhook_dispatcher.failures import AttemptFailedError
from gateway_webhook_dispatcher.guard import Guard, is_public, parse_networks

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


def test_an_operators_networks_are_let_through_and_their_neighbours_are_not() -> None:
    guard = Guard(allowed_networks=parse_networks("10.20.0.0/16, fd00:1::/32,192.0.2.1"))

    assert all(map(guard.permits, ["10.20.0.1", "10.20.255.255", "::ffff:10.20.0.1", "fd00:1::1", "192.0.2.1"]))
    assert not any(map(guard.permits, ["10.19.255.255", "10.21.0.0", "fd00:2::1", "192.0.2.2", "127.0.0.1", "", "x"]))
    assert guard.permits("8.8.8.8")


@pytest.mark.parametrize("text", ["10.20.0.1/16", "intranet", "10.20.0.0/33", "10.20.0.0-10.20.0.9"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear|has host bits"):
        parse_networks(f"10.0.0.0/8,{text}")


def test_private_networks_may_be_allowed_as_a_whole() -> None:
    assert all(map(Guard(allow_private_networks=True).permits, ["10.0.0.1", "127.0.0.1", "::1", "169.254.169.254"]))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "not of the form"),
        ("shop.example/hook", "not of the form"),
        ("//shop.example/hook", "not of the form"),
        ("ftp://shop.example/", "not of the form"),
        ("file:///etc/passwd", "not of the form"),
        ("gopher://shop.example/", "not of the form"),
        ("unix:///run/docker.sock", "not of the form"),
        ("http:///hook", "it is no URL|not of the form"),
        ("http://:80/hook", "it is no URL|not of the form"),
        ("http://shop.example:0/", "not of the form"),
        ("http://shop.example:65536/", "it is no URL"),
        ("http://shop.example:http/", "it is no URL"),
        ("http://[::1/", "it is no URL"),
        ("http://name@shop.example/", "a user name or a password"),
        ("http://name:word@shop.example/", "a user name or a password"),
        ("http://:word@shop.example/", "a user name or a password"),
        ("http://shop.example@169.254.169.254/", "a user name or a password"),
        ("http://[fe80::1%25eth0]/", "holds a zone"),
    ],
)
@pytest.mark.parametrize("livemode", [False, True], ids=["test mode", "live mode"])
def test_a_url_that_is_not_sent_to_is_explained(url: str, words: str, *, livemode: bool) -> None:
    with pytest.raises(AttemptFailedError, match=words) as refused:
        Guard(allow_private_networks=True).read_url(url, livemode=livemode)

    assert refused.value.reason == FailureReason.ADDRESS_REFUSED


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://shop.example/", "in live mode it must begin with https://"),
        ("http://shop.example:443/", "in live mode it must begin with https://"),
        ("https://shop.example:8443/", "in live mode its port must be 443"),
        ("https://shop.example:22/", "in live mode its port must be 443"),
    ],
)
def test_live_mode_takes_https_on_its_ports_only(url: str, words: str) -> None:
    with pytest.raises(AttemptFailedError, match=words):
        Guard().read_url(url, livemode=True)

    assert Guard().read_url(url, livemode=False).host == "shop.example"


def test_the_operator_says_which_ports_live_mode_takes() -> None:
    guard = Guard(live_ports=frozenset({443, 8443}))

    assert guard.read_url("https://shop.example:8443/", livemode=True).port == 8443
    with pytest.raises(AttemptFailedError, match="its port must be 443, 8443"):
        guard.read_url("https://shop.example:9443/", livemode=True)


def test_what_is_sent_to_is_what_the_merchant_gave() -> None:
    url = "https://Shop.example/a%2Fb/%7Eme?x=1&y=%20+z&empty="

    assert Guard().read_url(url, livemode=True).raw_path_qs == "/a%2Fb/~me?x=1&y=%20+z&empty="

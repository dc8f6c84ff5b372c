"""Which address a request counts against, and which proxies may name it."""

import pytest

from gateway_api.addresses import bucket_address, parse_trusted_proxies


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%anything", "fe80::/64"),
    ],
)
def test_one_client_has_one_bucket_however_its_address_is_written(host: str, bucket: str) -> None:
    assert bucket_address({"client": (host, 1234)}) == bucket


@pytest.mark.parametrize("host", ["", "unknown", "_hidden", "1.2.3.4.5", "203.0.113.9:x", "01.2.3.4", "\0", "x" * 9000])
def test_what_is_no_address_shares_one_bucket(host: str) -> None:
    assert bucket_address({"client": (host, 0)}) == bucket_address({"client": None}) == "unknown"


def test_proxies_are_addresses_and_networks_of_both_families() -> None:
    assert parse_trusted_proxies("10.0.0.0/8, 192.0.2.1,2001:db8::/32,") == (
        "10.0.0.0/8",
        "192.0.2.1/32",
        "2001:db8::/32",
    )
    assert parse_trusted_proxies(" ") == ()


@pytest.mark.parametrize("value", ["*", "localhost", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8 10.1.0.0/16"])
def test_a_proxy_that_is_no_network_is_refused_and_so_is_trusting_everybody(value: str) -> None:
    with pytest.raises(ValueError, match=r"network|host bits"):
        parse_trusted_proxies(value)

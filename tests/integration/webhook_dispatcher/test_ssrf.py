"""URLs that lead into the operator's own networks, however they are written: all refused, and nothing is dialled."""

import ipaddress
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest
from tests.support.name_server import name_server
from tests.support.receiver import Receiver, answering

from gateway_common.clock import system_clock
from gateway_common.webhooks.outcome import FailureReason
from gateway_webhook_dispatcher.client import WebhookClient
from gateway_webhook_dispatcher.guard import Guard, parse_networks
from gateway_webhook_dispatcher.resolver import Resolver

PRIVATE = [
    "0.0.0.0",  # noqa: S104 -- an address to refuse, not one to listen on.
    "10.0.0.1", "10.255.255.254", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.254", "192.0.0.192", "192.168.0.1",
    "192.168.255.254", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16",
]  # fmt: skip
IPV6 = [
    "::", "::1", "fe80::1", "febf::1", "fec0::1", "fc00::1", "fd00::1", "fd00:ec2::254", "fd20:ce::254", "ff02::1",
    "2001:db8::1", "3fff::1", "100::1", "5f00::1", "2001:10::1", "2001:20::1", "4000::1",
]  # fmt: skip
# Names that lead there, as their name servers would answer.
NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "localhost.localdomain": ["127.0.0.1"],
    "ip6-localhost": ["::1"],
    "app.localhost": ["127.0.0.1"],
    "metadata": ["169.254.169.254"],
    "metadata.google.internal": ["169.254.169.254"],
    "instance-data": ["169.254.169.254"],
    "instance-data.ec2.internal": ["169.254.169.254"],
    "metadata.azure.internal": ["169.254.169.254"],
    "wireserver.azure.internal": ["168.63.129.16"],
    "metadata.tencentyun.com": ["169.254.0.23"],
    "kubernetes.default.svc.cluster.local": ["10.96.0.1"],
    "host.docker.internal": ["192.168.65.254"],
    "redis": ["172.18.0.3"],
    "postgres": ["172.18.0.2"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
    "169-254-169-254.sslip.example": ["169.254.169.254"],
    "localtest.example": ["127.0.0.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "6to4.example": ["2002:7f00:1::1"],
    "unique-local.example": ["fd00::1"],
    "link-local.example": ["fe80::1%1"],
    "many.example": ["10.0.0.1", "192.168.0.1", "127.0.0.1", "::1"],
}
ODD = [
    "http://127.0.0.1.:{port}/", "http://localhost.:{port}/", "http://LOCALHOST:{port}/", "http://LocalHost.:{port}/",
    "http://metadata.google.internal.:{port}/", "http://①②⑦.⓪.⓪.①:{port}/", "http://１２７.０.０.１:{port}/",
    "http://127。0。0。1:{port}/", "http://127．0．0．1:{port}/", "http://ⓛocalhost:{port}/", "http://127.0.0.1%00:{port}/",
    "http://127.0.0.1%2f@shop.example:{port}/", "http://shop.example@127.0.0.1:{port}/",
    "http://shop.example:80@127.0.0.1:{port}/", "http://:@127.0.0.1:{port}/", "http://@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@shop.example/", "http://127.0.0.1:{port}?@shop.example/",
    "http://127.0.0.1:{port}\\@shop.example/", "http://shop.example\\@127.0.0.1:{port}/", "http:127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/", "http:/127.0.0.1:{port}/", "//127.0.0.1:{port}/", " http://127.0.0.1:{port}/",
    "http://\t127.0.0.1:{port}/", "http://127.0.0.1\r\n:{port}/", "http://[::1%25lo]:{port}/", "http://[fe80::1%251]:{port}/",
    "http://[::ffff:127.0.0.1%251]:{port}/", "http://[127.0.0.1]:{port}/", "http://[::1].:{port}/", "http://[]:{port}/",
    "file:///etc/passwd", "gopher://127.0.0.1:{port}/", "dict://127.0.0.1:{port}/", "ftp://127.0.0.1:{port}/",
    "unix:///run/docker.sock", "http+unix://127.0.0.1:{port}/", "ws://127.0.0.1:{port}/", "jar:http://127.0.0.1:{port}/",
    "http://127.0.0.1:0/", "http://127.0.0.1:65536/", "http://127.0.0.1:-1/", "http://127.0.0.1:+80/",
]  # fmt: skip


class Watch:
    """Python tells of every connect of every socket before it is made; one to another machine is not made."""

    def __init__(self) -> None:
        self.is_on = False
        self.dialled: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on or event != "socket.connect" or arguments[0].family == socket.AF_UNIX:
            return
        self.dialled.append(arguments[1][0])
        if not ipaddress.ip_address(arguments[1][0]).is_loopback:
            raise OSError("a test dials nothing outside")


WATCH = Watch()


def written(address: str) -> Iterator[str]:
    """The ways in which an IPv4 address may be written or wrapped, each a URL's host."""
    number, (a, b, c, d) = int(IPv4Address(address)), IPv4Address(address).packed
    yield from (address, str(number), f"0x{number:x}", f"0{number:o}", f"0X{number:08X}")
    yield from (f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}", f"{a}.0x{b:x}.0{c:o}.{d}")
    yield from (f"{a}.{b}.{c << 8 | d}", f"{a}.{b << 16 | c << 8 | d}")
    high, low = f"{a << 8 | b:x}", f"{c << 8 | d:x}"
    yield from (f"[::ffff:{address}]", f"[::ffff:{high}:{low}]", f"[0:0:0:0:0:ffff:{address}]", f"[::{address}]")
    yield from (f"[::ffff:0:{address}]", f"[64:ff9b::{address}]", f"[64:ff9b:1::{address}]", f"[2002:{high}:{low}::1]")
    yield from (
        f"[2001:0:{high}:{low}::1]",
        f"[2001:0:808:808:0:0:{int(high, 16) ^ 0xFFFF:x}:{int(low, 16) ^ 0xFFFF:x}]",
    )


URLS = [
    *(f"http://{host}:{{port}}/" for address in PRIVATE for host in written(address)),
    *(f"http://[{address}]:{{port}}/" for address in IPV6),
    *(f"http://{name}:{{port}}/" for name in NAMES),
    *ODD,
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "172.15.255.255", "100.128.0.1", "169.253.1.1"]
PUBLIC_IPV6 = ["2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450:4001::1", "2400:cb00::1", "3ffe::1"]


def look_up(host: str, port: int) -> list[str]:
    """What the system would answer, without asking anybody: numbers by its own rules, names from the list above."""
    if host.lower() in NAMES:
        return NAMES[host.lower()]
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)]


def new_client(guard: Guard, resolver: Resolver) -> WebhookClient:
    return WebhookClient(
        guard=guard,
        kept_connections=1,
        timeout_seconds=5,
        clock=system_clock,
        resolver=resolver,
        ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )


@pytest.fixture(autouse=True)
def dialled() -> Iterator[list[str]]:
    """The addresses that the test has dialled so far."""
    WATCH.dialled.clear()
    WATCH.is_on = True
    yield WATCH.dialled
    WATCH.is_on = False


@pytest.fixture
async def guarded() -> AsyncIterator[WebhookClient]:
    client = new_client(Guard(), Resolver(look_up))
    yield client
    await client.close()


def test_the_cases_are_many() -> None:
    assert len(set(URLS)) >= 200


@pytest.mark.parametrize("url", URLS)
async def test_a_url_that_leads_inside_is_refused_and_nothing_is_dialled(
    guarded: WebhookClient, dialled: list[str], url: str
) -> None:
    result = await guarded.post(url.format(port=80), {}, b"{}", livemode=False)

    assert result.reason in {FailureReason.ADDRESS_REFUSED, FailureReason.NAME_UNKNOWN}
    assert result.error is not None
    assert result.error.isprintable()
    assert dialled == []


async def test_what_is_dialled_is_noticed_by_these_tests(receiver: Receiver, dialled: list[str]) -> None:
    client = new_client(Guard(allow_private_networks=True), Resolver(look_up))

    await client.post(receiver.url + "/hook", {}, b"{}", livemode=False)

    await client.close()
    assert dialled == ["127.0.0.1"]


def public_hosts() -> Iterator[str]:
    for address in PUBLIC:
        yield from list(written(address))[:13]
    yield from (f"[{address}]" for address in PUBLIC_IPV6)


@pytest.mark.parametrize("host", list(public_hosts()))
def test_a_public_address_is_let_through_however_it_is_written(host: str) -> None:
    guard = Guard()
    url = guard.read_url(f"https://{host}/hook", livemode=True)

    assert all(guard.permits(address) for address in look_up(url.raw_host or "", 443))


def test_the_public_forms_are_many() -> None:
    assert len(set(public_hosts())) >= 50


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target",
    ["http://169.254.169.254/latest", "http://localhost/", "http://[::1]/", "//127.0.0.1/", "file:///etc/passwd"],
)
async def test_a_redirect_inside_is_named_and_not_followed(
    receiver: Receiver, dialled: list[str], status: int, target: str
) -> None:
    client = new_client(Guard(allow_private_networks=True), Resolver(look_up))
    url = receiver.answer("/moved", answering(status, headers=f"Location: {target}\r\n"))

    result = await client.post(url, {}, b"{}", livemode=False)

    await client.close()
    assert (result.reason, result.response_status) == (FailureReason.REDIRECT, status)
    assert f"a redirect to {target}:" in (result.error or "")
    assert len(dialled) == 1


async def test_a_name_server_that_changes_its_answer_gains_nothing(receiver: Receiver, dialled: list[str]) -> None:
    """127.0.0.2 stands for the address that the attacker may use, 127.0.0.1 for the one that he wants to reach."""
    port = receiver.url.rpartition(":")[2]
    answers = iter([["127.0.0.2"], *[["127.0.0.1"]] * 20])
    guard = Guard(allowed_networks=parse_networks("127.0.0.2"))
    with name_server(lambda: next(answers)) as look_up_there:
        client = new_client(guard, Resolver(look_up_there))
        results = [
            await client.post(f"http://rebinding.example:{port}/hook", {}, b"{}", livemode=False) for _ in range(20)
        ]
        await client.close()

    # Nobody listens at 127.0.0.2; had the name been asked for twice, the receiver at 127.0.0.1 would have been reached.
    assert [result.reason for result in results] == [FailureReason.UNREACHABLE, *[FailureReason.ADDRESS_REFUSED] * 19]
    assert dialled == ["127.0.0.2"]
    assert receiver.at("/hook") == []


async def test_of_several_addresses_only_the_allowed_ones_are_dialled(receiver: Receiver, dialled: list[str]) -> None:
    port = receiver.url.rpartition(":")[2]
    guard = Guard(allowed_networks=parse_networks("127.0.0.2,127.0.0.3"))
    with name_server(lambda: ["127.0.0.1", "127.0.0.2", "10.0.0.1", "127.0.0.3"]) as look_up_there:
        client = new_client(guard, Resolver(look_up_there))
        result = await client.post(f"http://mixed.example:{port}/hook", {}, b"{}", livemode=False)
        await client.close()

    assert result.reason == FailureReason.UNREACHABLE
    assert set(dialled) == {"127.0.0.2", "127.0.0.3"}
    assert receiver.at("/hook") == []


async def test_the_next_address_is_tried_when_the_first_is_dead(receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2]
    guard = Guard(allowed_networks=parse_networks("127.0.0.0/8"))
    with name_server(lambda: ["127.0.0.9", "127.0.0.1"]) as look_up_there:
        client = new_client(guard, Resolver(look_up_there))
        result = await client.post(f"http://two.example:{port}/hook", {}, b"{}", livemode=False)
        await client.close()

    assert result.delivered

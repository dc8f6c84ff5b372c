"""Looking names up where some name servers never answer, with a lookup of the test's that answers as told."""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from gateway_common.webhooks.outcome import FailureReason
from gateway_webhook_dispatcher.failures import AttemptFailedError
from gateway_webhook_dispatcher.resolver import LOOKUPS_MOST, LOOKUPS_PER_OPERATOR, Resolver, operator_of


class NameServers:
    """Answers 192.0.2.1 to every name, but to those that end in `hangs.example` only when let go."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.let_go = threading.Event()

    def look_up(self, host: str, _port: int) -> list[str]:
        self.asked[host] += 1
        if host.endswith("hangs.example"):
            self.let_go.wait()
        if host.startswith("again."):
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        if host.startswith("none."):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ["192.0.2.1"]


@pytest.fixture
def servers() -> Iterator[NameServers]:
    servers = NameServers()
    yield servers
    servers.let_go.set()


@pytest.fixture
def resolver(servers: NameServers) -> Iterator[Resolver]:
    resolver = Resolver(servers.look_up, silent_seconds=0.2)
    yield resolver
    servers.let_go.set()
    resolver.close()


async def give_up_on(resolver: Resolver, host: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await resolver.resolve(host, 443)


async def test_many_who_ask_at_once_share_one_lookup(resolver: Resolver, servers: NameServers) -> None:
    answers = await asyncio.gather(*(resolver.resolve("shop.example", 443) for _ in range(20)))

    assert answers == [["192.0.2.1"]] * 20
    assert servers.asked == {"shop.example": 1}


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
async def test_an_address_is_its_own_answer(resolver: Resolver, servers: NameServers, address: str) -> None:
    assert await resolver.resolve(address, 443) == [address]
    assert not servers.asked


async def test_name_servers_that_hang_are_asked_by_a_few_threads_and_hinder_no_other_name(
    resolver: Resolver, servers: NameServers
) -> None:
    names = [f"shop-{number}.hangs.example" for number in range(2 * LOOKUPS_MOST)]
    hanging = [asyncio.create_task(resolver.resolve(name, 443)) for name in names]
    await asyncio.sleep(0.1)

    started = time.monotonic()
    answers = await asyncio.gather(*(resolver.resolve(f"shop.fine-{number}.example", 443) for number in range(50)))

    assert answers == [["192.0.2.1"]] * 50
    assert time.monotonic() - started < 1
    assert len([name for name in servers.asked if name.endswith("hangs.example")]) == LOOKUPS_PER_OPERATOR
    servers.let_go.set()
    assert await asyncio.gather(*hanging) == [["192.0.2.1"]] * len(names)


async def test_a_name_that_nobody_answered_for_is_left_alone_for_a_while(
    resolver: Resolver, servers: NameServers
) -> None:
    await give_up_on(resolver, "www.hangs.example")

    with pytest.raises(AttemptFailedError, match="did not answer a moment ago") as failed:
        await resolver.resolve("www.hangs.example", 443)

    assert failed.value.reason == FailureReason.TIMEOUT
    servers.let_go.set()
    await asyncio.sleep(0.25)
    assert await resolver.resolve("www.hangs.example", 443) == ["192.0.2.1"]


async def test_a_name_that_still_hangs_gets_no_second_thread(resolver: Resolver, servers: NameServers) -> None:
    for _ in range(3):
        await give_up_on(resolver, "www.hangs.example")
        await asyncio.sleep(0.25)

    assert servers.asked == {"www.hangs.example": 1}


async def test_a_name_whose_servers_fail_is_left_alone_too(resolver: Resolver, servers: NameServers) -> None:
    for words in ("can't be resolved", "did not answer a moment ago"):
        with pytest.raises(AttemptFailedError, match=words):
            await resolver.resolve("again.example", 443)

    assert servers.asked == {"again.example": 1}


async def test_a_name_that_does_not_exist_is_asked_for_each_time(resolver: Resolver, servers: NameServers) -> None:
    for _ in range(2):
        with pytest.raises(AttemptFailedError, match=r"the name none\.example can't be resolved") as failed:
            await resolver.resolve("none.example", 443)

    assert failed.value.reason == FailureReason.NAME_UNKNOWN
    assert servers.asked == {"none.example": 2}


async def test_one_who_gives_up_takes_the_answer_from_nobody(resolver: Resolver, servers: NameServers) -> None:
    patient = asyncio.create_task(resolver.resolve("www.hangs.example", 443))
    await give_up_on(resolver, "www.hangs.example")

    servers.let_go.set()

    assert await patient == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("host", "operator"),
    [
        ("shop.example", "shop.example"),
        ("a.b.Shop.example.", "shop.example"),
        ("hooks.shop.co.uk", "shop.co.uk"),
        ("shop.co.uk", "shop.co.uk"),
        ("other.co.uk", "other.co.uk"),
        ("a.shop.com.br", "shop.com.br"),
        ("a.shop.io", "shop.io"),
        ("localhost", "localhost"),
    ],
)
def test_the_operator_of_a_name_is_its_registered_part_roughly(host: str, operator: str) -> None:
    assert operator_of(host) == operator

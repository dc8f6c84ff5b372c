"""The queue behind Sentinels: the same contract, and rings that flow again after every kind of failover."""

import signal
from asyncio import to_thread
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.doorbell import bell, listening, ring
from tests.support.measuring import Measure
from tests.support.queue_contract import keep_everyday_contract, ring_until_heard
from tests.support.redis_nodes import (
    HOST,
    LOGIN,
    MASTER,
    PASSWORD,
    Sentinels,
    run_sentinel,
    running_sentinels,
    sentinel_url,
)
from tests.support.redis_server import silent_server
from tests.support.waiting import wait_until

from gateway_common.queue.broker import QueueUnavailableError
from gateway_common.queue.inspection import inspect_redis

FAILOVER_MOST_SECONDS = 10.0


@pytest.fixture(scope="module")
def sentinels() -> Iterator[Sentinels]:
    with running_sentinels() as sentinels:
        yield sentinels


@pytest.fixture
def own_sentinels() -> Iterator[Sentinels]:
    """Some for this test alone, which upsets them."""
    with running_sentinels() as sentinels:
        yield sentinels


async def test_the_queue_keeps_its_contract(sentinels: Sentinels) -> None:
    master = sentinels.master

    await keep_everyday_contract(sentinels.url, lambda: master.ask("FLUSHALL"))


async def test_when_the_master_is_killed_rings_flow_again_through_the_replica(
    own_sentinels: Sentinels, measure: Measure
) -> None:
    async with bell(own_sentinels.url) as ringing, listening(own_sentinels.url) as worker:
        await ring_until_heard(ringing, worker)
        killed = own_sentinels.master

        killed.kill()
        seconds = await ring_until_heard(ringing, worker)

    assert seconds < FAILOVER_MOST_SECONDS
    measure(f"{seconds:.1f} s")
    assert own_sentinels.master is not killed


async def test_when_the_master_is_demoted_the_reader_follows_the_new_one_also_without_its_group(
    sentinels: Sentinels, measure: Measure
) -> None:
    async with bell(sentinels.url) as ringing, listening(sentinels.url) as worker:
        await ring_until_heard(ringing, worker)
        demoted = sentinels.master

        await to_thread(sentinels.sentinels[0].ask, "SENTINEL", "FAILOVER", MASTER)
        await wait_until(lambda: sentinels.master is not demoted)
        sentinels.master.ask("FLUSHALL")
        # As the Sentinels do it some seconds later; they close its connections too, here they stay.
        demoted.ask("REPLICAOF", HOST, sentinels.master.port)
        seconds = await ring_until_heard(ringing, worker)

    assert seconds < FAILOVER_MOST_SECONDS
    measure(f"{seconds:.1f} s")


async def test_when_the_master_hangs_rings_flow_again_through_the_replica(
    own_sentinels: Sentinels, measure: Measure
) -> None:
    async with bell(own_sentinels.url) as ringing, listening(own_sentinels.url) as worker:
        await ring_until_heard(ringing, worker)
        frozen = own_sentinels.master

        frozen.signal(signal.SIGSTOP)
        seconds = await ring_until_heard(ringing, worker)
        frozen.signal(signal.SIGCONT)

    assert seconds < FAILOVER_MOST_SECONDS
    measure(f"{seconds:.1f} s")


async def test_a_sentinel_that_hangs_and_one_that_is_away_hold_nobody_up(sentinels: Sentinels) -> None:
    async with silent_server() as silent:
        silent_port = int(silent.rpartition(":")[2].partition("/")[0])
        url = sentinel_url(silent_port, 1, sentinels.sentinels[0].port)

        async with bell(url) as ringing:
            await ring(ringing, "pay_1")


async def test_a_sentinel_with_a_password_is_given_that_of_redis(sentinels: Sentinels, tmp_path: Path) -> None:
    locked = run_sentinel(tmp_path / "sentinel", sentinels.master.port, password=PASSWORD)
    try:
        async with bell(sentinel_url(locked.port)) as ringing:
            await ring(ringing, "pay_1")
        with pytest.raises(QueueUnavailableError, match="no Sentinel knows"):
            async with bell(sentinel_url(locked.port, login="default:wrong")) as ringing:
                await ring(ringing, "pay_1")
    finally:
        locked.stop()


async def test_a_login_that_only_redis_knows_opens_the_way_through_the_sentinels(sentinels: Sentinels) -> None:
    sentinels.master.ask("ACL", "SETUSER", "gateway", "on", ">secret", "~*", "+@all")
    ports = [sentinel.port for sentinel in sentinels.sentinels]

    async with bell(sentinel_url(*ports, login="gateway:secret")) as ringing:
        await ring(ringing, "pay_1")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.replace(MASTER, "gateway-other"), "no Sentinel knows a living master 'gateway-other'"),
        (lambda url: url.replace(LOGIN, "default:wrong"), "invalid username-password pair"),
        (lambda _: sentinel_url(1, 2), "Connect call failed"),
    ],
)
async def test_an_address_that_leads_nowhere_makes_the_queue_unavailable(
    sentinels: Sentinels, change: Callable[[str], str], words: str
) -> None:
    async with bell(change(sentinels.url)) as ringing:
        with pytest.raises(QueueUnavailableError, match=words):
            await ring(ringing, "pay_1")
        assert await ringing.find_lag() is None


async def test_the_doctor_is_told_of_the_master(sentinels: Sentinels) -> None:
    [facts] = await inspect_redis(sentinels.url)

    assert facts.maxmemory_policy == "noeviction"

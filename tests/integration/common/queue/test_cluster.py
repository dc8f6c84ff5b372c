"""The queue on a cluster: the same contract, and rings that flow again when the node of the stream is lost or moved."""

import asyncio
import signal
from collections.abc import Iterator

import pytest
from tests.support.doorbell import bell, listening, ring
from tests.support.measuring import Measure
from tests.support.queue_contract import keep_everyday_contract, ring_until_heard
from tests.support.redis_nodes import Cluster, running_cluster
from tests.support.waiting import wait_until

from gateway_common.queue.broker import QueueUnavailableError
from gateway_common.queue.inspection import inspect_redis
from gateway_common.queue.messages import DISPATCH_WEBHOOKS, PAYMENTS_STREAM, WEBHOOKS_STREAM

RECOVERY_MOST_SECONDS = 10.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster(spare_nodes=1) as cluster:
        yield cluster


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """One for this test alone, which upsets it."""
    with running_cluster(spare_nodes=1) as cluster:
        yield cluster


async def test_the_queue_keeps_its_contract(cluster: Cluster) -> None:
    await keep_everyday_contract(cluster.url, lambda: [node.ask("FLUSHALL") for node in cluster.nodes])


async def test_the_doctor_is_told_of_each_master(cluster: Cluster) -> None:
    servers = await inspect_redis(cluster.url)

    assert [facts.maxmemory_policy for facts in servers] == ["noeviction"] * 3


async def test_when_the_stream_moves_to_a_new_node_rings_follow_it(cluster: Cluster) -> None:
    old, new = cluster.owner_of(PAYMENTS_STREAM), cluster.nodes[3]
    slot = old.ask("CLUSTER", "KEYSLOT", PAYMENTS_STREAM)
    async with bell(cluster.url) as ringing, listening(cluster.url) as worker:
        await ring_until_heard(ringing, worker)

        new.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.id_of(old))
        old.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.id_of(new))
        old.ask("MIGRATE", "127.0.0.1", new.port, PAYMENTS_STREAM, 0, 1000)
        # Half moved: no client has heard of the new node yet, and is told to ask it.
        await asyncio.sleep(0.2)
        for node in cluster.nodes:
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", cluster.id_of(new))
        assert await ring_until_heard(ringing, worker) < RECOVERY_MOST_SECONDS

    assert cluster.owner_of(PAYMENTS_STREAM) is new


async def test_when_a_node_without_replica_dies_and_comes_back_rings_flow_again(
    cluster: Cluster, measure: Measure
) -> None:
    lost = cluster.owner_of(WEBHOOKS_STREAM)
    witness = next(node for node in cluster.nodes if node is not lost)
    async with (
        bell(cluster.url) as payments,
        bell(cluster.url, WEBHOOKS_STREAM) as webhooks,
        listening(cluster.url) as worker,
    ):
        await ring_until_heard(payments, worker)
        await webhooks.ring(DISPATCH_WEBHOOKS, [{}], [{}])

        lost.kill()
        with pytest.raises(QueueUnavailableError):
            await webhooks.ring(DISPATCH_WEBHOOKS, [{}], [{}])
        assert await webhooks.find_lag() is None
        # When the others take it for dead, the cluster is down for all streams.
        await wait_until(lambda: b"cluster_state:fail" in witness.ask("CLUSTER", "INFO").split())
        with pytest.raises(QueueUnavailableError):
            await ring(payments, "pay_lost")
        await asyncio.to_thread(lost.start)
        seconds = await ring_until_heard(payments, worker)
        await webhooks.ring(DISPATCH_WEBHOOKS, [{}], [{}])

    assert seconds < RECOVERY_MOST_SECONDS
    measure(f"{seconds:.1f} s")


async def test_when_the_node_of_the_stream_hangs_rings_flow_again_through_its_replica(
    own_cluster: Cluster, measure: Measure
) -> None:
    owner, replica = own_cluster.owner_of(PAYMENTS_STREAM), own_cluster.nodes[3]
    replica.ask("CLUSTER", "REPLICATE", own_cluster.id_of(owner))
    await wait_until(lambda: b"connected" in replica.ask("ROLE"))
    async with bell(own_cluster.url) as ringing, listening(own_cluster.url) as worker:
        await ring_until_heard(ringing, worker)

        owner.signal(signal.SIGSTOP)
        seconds = await ring_until_heard(ringing, worker)

    assert seconds < RECOVERY_MOST_SECONDS
    measure(f"{seconds:.1f} s")


async def test_a_cluster_that_is_away_makes_the_queue_unavailable() -> None:
    async with bell("redis+cluster://127.0.0.1:1,127.0.0.1:2") as ringing:
        with pytest.raises(QueueUnavailableError, match="cannot be connected"):
            await ring(ringing, "pay_1")
        assert await ringing.find_lag() is None


async def test_a_server_that_is_in_no_cluster_makes_the_queue_unavailable(redis_url: str) -> None:
    async with bell(redis_url.replace("redis://", "redis+cluster://")) as ringing:
        with pytest.raises(QueueUnavailableError, match="Cluster mode is not enabled"):
            await ring(ringing, "pay_1")

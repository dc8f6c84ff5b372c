"""Several Redis servers that belong together: a master and its replica under Sentinels, and a cluster."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import redis
from tests.support.patience import wait_until
from tests.support.servers import running_program, temporary_folder

from gateway_cli.local.ports import find_free_ports
from gateway_cli.local.program import Program
from gateway_cli.local.valkey import valkey_program

HOST = "127.0.0.1"
MASTER = "gateway-main"
PASSWORD = "p@ss:/word"
LOGIN = "default:p%40ss%3A%2Fword"
SLOTS = 16_384
DOWN_AFTER_MS = 500
NODE_TIMEOUT_MS = 1_000


class RedisNode:
    """One server that is killed, frozen, and started again at the same address with what it kept."""

    def __init__(self, program: Program, port: int, password: str | None = None) -> None:
        self.port = port
        self._program = program
        self._password = password
        self._running = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self.stop()
        self._process = self._running.enter_context(running_program(self._program))

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once; it says goodbye to nobody."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None:
            self.signal(signal.SIGCONT)
        self._running.close()

    def ask(self, *command: Any) -> Any:
        with redis.Redis(HOST, self.port, password=self._password, socket_timeout=5) as client:
            return client.execute_command(*command)


def _server(folder: Path, *options: str, password: str | None = None) -> RedisNode:
    (port,) = find_free_ports(1)
    program = valkey_program(folder / f"redis-{port}", port, durable=False)
    return RedisNode(
        replace(program, command=program.command + options, is_ready=partial(_answers, port)), port, password
    )


def _answers(port: int) -> bool:
    """Whether it says anything to a ping: the one with a password wants that first."""
    try:
        with socket.create_connection((HOST, port), timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


class Sentinels:
    """Two servers, one the other's replica, and three Sentinels that watch them."""

    def __init__(self, servers: list[RedisNode], sentinels: list[RedisNode]) -> None:
        self.servers = servers
        self.sentinels = sentinels

    @property
    def url(self) -> str:
        return sentinel_url(*(sentinel.port for sentinel in self.sentinels))

    @property
    def master(self) -> RedisNode:
        """The server which all Sentinels take for the master, as soon as they agree."""
        ports: set[int] = set()

        def agree() -> bool:
            nonlocal ports
            ports = self._masters()
            return len(ports) == 1

        wait_until(agree, "the Sentinels agree")
        return next(server for server in self.servers if server.port in ports)

    def _masters(self) -> set[int]:
        return {int(node.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)[1]) for node in self.sentinels}

    def wait_for_replica(self) -> None:
        """Return when the next failover has somebody to go to."""
        wait_until(lambda: all(self._sees_replica(node) for node in self.sentinels), "there is a replica")

    def _sees_replica(self, node: RedisNode) -> bool:
        [replica] = node.ask("SENTINEL", "REPLICAS", MASTER) or [{}]
        if isinstance(replica, list):
            replica = dict(zip(replica[::2], replica[1::2], strict=True))
        words = {redis.utils.str_if_bytes(key): redis.utils.str_if_bytes(value) for key, value in replica.items()}
        return words.get("flags") == "slave" and words.get("master-link-status") == "ok"


def sentinel_url(*ports: int, login: str = LOGIN) -> str:
    hosts = ",".join(f"{HOST}:{port}" for port in ports)
    return f"redis+sentinel://{login}@{hosts}/{MASTER}"


@contextmanager
def running_sentinels() -> Iterator[Sentinels]:
    """Run them until the end of the block. The servers want a password, the Sentinels none."""
    with temporary_folder() as folder, ExitStack() as nodes:

        def keep(node: RedisNode) -> RedisNode:
            nodes.callback(node.stop)
            return node

        login = ("--requirepass", PASSWORD, "--masterauth", PASSWORD)
        quick = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
        master = keep(_server(folder, *login, *quick, password=PASSWORD))
        replica = keep(_server(folder, *login, *quick, "--replicaof", HOST, str(master.port), password=PASSWORD))
        sentinels = Sentinels(
            [master, replica], [keep(run_sentinel(folder / f"sentinel-{number}", master.port)) for number in range(3)]
        )
        sentinels.wait_for_replica()
        wait_until(lambda: all(_others(node) == 2 for node in sentinels.sentinels), "the Sentinels know each other")
        yield sentinels


def run_sentinel(folder: Path, master_port: int, *, password: str | None = None) -> RedisNode:
    """Run one Sentinel; with a password it asks for that of the servers too."""
    (port,) = find_free_ports(1)
    lines = [
        f"port {port}",
        f"bind {HOST}",
        f"sentinel monitor {MASTER} {HOST} {master_port} {2 if password is None else 1}",
        f'sentinel auth-pass {MASTER} "{PASSWORD}"',
        f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER_MS}",
        f"sentinel failover-timeout {MASTER} 2000",
        *([f'requirepass "{password}"'] if password else []),
    ]
    settings = folder / "sentinel.conf"
    program = valkey_program(folder, port)

    def prepare() -> None:
        program.prepare()
        settings.write_text("\n".join([*lines, ""]))

    command = (*_sentinel_command(program), str(settings), "--sentinel")
    return RedisNode(
        replace(program, command=command, prepare=prepare, is_ready=partial(_answers, port)), port, password
    )


def _sentinel_command(program: Program) -> tuple[str, ...]:
    """Debian's own where it is installed, which in CI it must be; else the embedded server is one too."""
    debians = shutil.which("redis-sentinel")
    assert debians or not os.environ.get("CI"), "redis-sentinel is not installed"
    return (debians,) if debians else program.command[:1]


def _others(sentinel: RedisNode) -> int:
    return len(sentinel.ask("SENTINEL", "SENTINELS", MASTER))


class Cluster:
    """Three masters that share the slots, and as many nodes more as a test asks for, which have none."""

    def __init__(self, nodes: list[RedisNode]) -> None:
        self.nodes = nodes

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes[:3])

    def owner_of(self, stream: str) -> RedisNode:
        """The node that answers for a stream; the others say that it moved."""
        self.wait_until_ok()
        for node in self.nodes:
            with suppress(redis.exceptions.MovedError):
                node.ask("XLEN", stream)
                return node
        raise LookupError(stream)

    def id_of(self, node: RedisNode) -> str:
        return str(redis.utils.str_if_bytes(node.ask("CLUSTER", "MYID")))

    def wait_until_ok(self) -> None:
        wait_until(lambda: all(_is_ok(node, len(self.nodes)) for node in self.nodes), "the cluster is whole")


def _is_ok(node: RedisNode, count: int) -> bool:
    lines = node.ask("CLUSTER", "INFO").split()
    return b"cluster_state:ok" in lines and b"cluster_known_nodes:%d" % count in lines


@contextmanager
def running_cluster(*, spare_nodes: int = 0) -> Iterator[Cluster]:
    with temporary_folder() as folder, ExitStack() as stack:
        nodes, buses = [], []
        for _ in range(3 + spare_nodes):
            (bus,) = find_free_ports(1)
            options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS))
            node = _server(folder, *options, "--cluster-port", str(bus), "--repl-diskless-sync-delay", "0")
            stack.callback(node.stop)
            nodes.append(node)
            buses.append(bus)
        for number, node in enumerate(nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < 3:
                node.ask("CLUSTER", "ADDSLOTSRANGE", SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1)
            if number:
                node.ask("CLUSTER", "MEET", HOST, nodes[0].port, buses[0])
        cluster = Cluster(nodes)
        cluster.wait_until_ok()
        yield cluster

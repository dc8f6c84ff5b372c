"""The doctor at the settings: would each service take its own."""

import asyncio
import base64
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from importlib.util import find_spec

from gateway_cli.doctor.answer import Answer, fine, problem
from gateway_cli.local.services import SERVICES

# These three are looked at by themselves; a service's settings are then tried with any that will do.
ANY_STORES = {
    "DATABASE_URL": "postgresql://gateway@localhost/gateway",
    "REDIS_URL": "redis://localhost",
    "GATEWAY_MASTER_KEY": base64.b64encode(bytes(32)).decode(),
}


async def examine_services(environment: Mapping[str, str]) -> list[Answer]:
    """Try the settings of each service that is installed, in another process: the command itself knows no service."""
    modules = {f"{service.module}.settings": service.name for service in SERVICES if find_spec(service.module)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway_cli.doctor.try_settings", *modules),
        env={**os.environ, **environment, **ANY_STORES},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        reason = errors.decode(errors="replace").strip().rpartition("\n")[2]
        return [problem(f"The settings of the services can't be tried: {reason}")]
    return [_judge(modules[module], faults) for module, faults in json.loads(output).items()]


def _judge(service: str, faults: list[str]) -> Answer:
    if faults:
        return problem(f"{service} would not start. " + " ".join(faults))
    return fine(f"The settings of {service} are valid.")

"""The five services as programs: how each is started, with which environment, and how one sees that it is ready."""

import base64
import http.client
import os
import secrets
import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial

from gateway_cli.local.program import Program
from gateway_cli.local.settings import StackSettings

DRAIN_MARGIN_SECONDS = 8.0
DEFAULT_JOB_TIMEOUT_SECONDS = "40"
PROBE_TIMEOUT_SECONDS = 3.0
LOCAL_DEFAULTS = {"TEST_MODE": "true", "WEBHOOK_ALLOW_PRIVATE_NETWORKS": "true", "LOG_FORMAT": "console"}


@dataclass(frozen=True)
class Service:
    """A service and the settings that place its ports."""

    name: str
    module: str
    metrics_port: str
    port: str | None = None


SERVICES = (
    Service("api", "gateway_api", "API_METRICS_PORT", "API_PORT"),
    Service("processor", "gateway_processor", "PROCESSOR_METRICS_PORT"),
    Service("webhook-dispatcher", "gateway_webhook_dispatcher", "WEBHOOK_DISPATCHER_METRICS_PORT"),
    Service("dashboard", "gateway_dashboard", "DASHBOARD_METRICS_PORT", "DASHBOARD_PORT"),
    Service("sdk", "gateway_sdk", "SDK_METRICS_PORT", "SDK_PORT"),
)


def service_programs(settings: StackSettings) -> list[Program]:
    """Describe the services of a stack, in the order they are started."""
    return [_service_program(service, settings) for service in SERVICES]


def find_or_make_master_key(settings: StackSettings) -> str:
    """Return the key all that is sealed depends on: the one that is set, or one made once and kept for its owner."""
    if key := settings.environment.get("GATEWAY_MASTER_KEY"):
        return key
    path = settings.data_folder / "master-key"
    if not path.exists():
        unfinished = path.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        with open(unfinished, "x", encoding="ascii", opener=partial(os.open, mode=0o600)) as file:
            file.write(base64.b64encode(secrets.token_bytes(32)).decode())
        unfinished.rename(path)
    return path.read_text(encoding="ascii").strip()


def store_environment(settings: StackSettings) -> dict[str, str]:
    """What a stack's services are told of where its data is, and of the key to it."""
    return {
        "DATABASE_URL": settings.effective_database_url,
        "REDIS_URL": settings.effective_redis_url,
        "GATEWAY_MASTER_KEY": find_or_make_master_key(settings),
    }


def _service_program(service: Service, settings: StackSettings) -> Program:
    folder = settings.data_folder / "run" / service.name
    probed_port = settings.ports[service.port or service.metrics_port]
    job_timeout_seconds = float(settings.environment.get("JOB_TIMEOUT_SECONDS") or DEFAULT_JOB_TIMEOUT_SECONDS)
    return Program(
        name=service.name,
        command=(sys.executable, "-m", service.module),
        folder=folder,
        environment=_environment(service, settings),
        is_ready=partial(_is_ready, probed_port),
        prepare=partial(folder.mkdir, parents=True, exist_ok=True),
        stop_timeout_seconds=job_timeout_seconds + DRAIN_MARGIN_SECONDS,
    )


def _environment(service: Service, settings: StackSettings) -> Mapping[str, str]:
    api_port = settings.ports["API_PORT"]
    own = {
        "HOST": "127.0.0.1",
        "METRICS_PORT": str(settings.ports[service.metrics_port]),
        **store_environment(settings),
        "API_URL": f"http://127.0.0.1:{api_port}",
        "API_PUBLIC_URL": f"http://localhost:{api_port}",
        "PYTHONUNBUFFERED": "1",
    }
    if service.port:
        own["PORT"] = str(settings.ports[service.port])
    # The owner's address is for migrations; a service that does not have it can't be made to use it.
    given = {name: value for name, value in settings.environment.items() if name != "MIGRATIONS_DATABASE_URL"}
    return LOCAL_DEFAULTS | given | own


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_TIMEOUT_SECONDS)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    return False

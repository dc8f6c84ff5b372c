"""What a stack is told: its folder, its ports, other servers' addresses, and what its services are to be told."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway_cli.failure import UsageFailure
from gateway_cli.local.ports import find_free_ports
from gateway_cli.local.postgres import SERVICE_ROLE, postgres_url
from gateway_cli.local.valkey import redis_url

PORTS = {
    "API_PORT": 8000,
    "DASHBOARD_PORT": 3000,
    "SDK_PORT": 3001,
    "API_METRICS_PORT": 9100,
    "PROCESSOR_METRICS_PORT": 9101,
    "WEBHOOK_DISPATCHER_METRICS_PORT": 9102,
    "DASHBOARD_METRICS_PORT": 9103,
    "SDK_METRICS_PORT": 9104,
    "POSTGRES_PORT": 54320,  # Not 5432 and 6379: many have those servers running already.
    "REDIS_PORT": 63790,
}
PORT_MAX = 65_535
DEFAULT_DATA_FOLDER = Path(".data")


@dataclass(frozen=True, kw_only=True)
class StackSettings:
    """One stack. An address of PostgreSQL or Redis means that the embedded one is not started."""

    data_folder: Path
    ports: Mapping[str, int]
    environment: Mapping[str, str]
    """Handed to every service, so that each setting a service knows can be set from outside."""
    database_url: str | None = None
    migrations_database_url: str | None = None
    """The owner's address of the same database; without it `database_url` is the owner's too."""
    redis_url: str | None = None
    durable: bool = True
    """False for data nobody keeps: quicker, and lost with the power."""

    @property
    def log_path(self) -> Path:
        """The file with every line of every process."""
        return self.data_folder / "logs" / "gateway.log"

    @property
    def effective_database_url(self) -> str:
        """Where PostgreSQL is, embedded or not, as the services sign in."""
        return self.database_url or postgres_url(self.ports["POSTGRES_PORT"], role=SERVICE_ROLE)

    @property
    def owner_database_url(self) -> str:
        """The same database as its owner signs in, who migrates and seeds."""
        return self.migrations_database_url or self.database_url or postgres_url(self.ports["POSTGRES_PORT"])

    @property
    def owner_setting(self) -> str:
        """The setting that names the owner's address, for who must mend it."""
        return "MIGRATIONS_DATABASE_URL" if self.migrations_database_url else "DATABASE_URL"

    @property
    def effective_redis_url(self) -> str:
        """Where Redis is, embedded or not."""
        return self.redis_url or redis_url(self.ports["REDIS_PORT"])

    @property
    def needed_ports(self) -> dict[str, int]:
        """The ports that are about to be listened on, by the setting that changes each."""
        unneeded = {"POSTGRES_PORT"} if self.database_url else set()
        unneeded |= {"REDIS_PORT"} if self.redis_url else set()
        return {name: port for name, port in self.ports.items() if name not in unneeded}


def read_settings(environment: Mapping[str, str], data_folder: Path) -> StackSettings:
    """Read the settings of `gateway up` from the environment."""
    return StackSettings(
        data_folder=data_folder.resolve(),
        ports={name: read_port(environment, name, default) for name, default in PORTS.items()},
        environment=environment,
        database_url=environment.get("DATABASE_URL") or None,
        migrations_database_url=_read_migrations_database_url(environment),
        redis_url=environment.get("REDIS_URL") or None,
    )


def throwaway_settings(environment: Mapping[str, str], data_folder: Path) -> StackSettings:
    """Make settings for a stack on free ports with servers of its own, for a demo or a test."""
    return StackSettings(
        data_folder=data_folder.resolve(),
        ports=dict(zip(PORTS, find_free_ports(len(PORTS)), strict=True)),
        environment=environment,
        durable=False,
    )


def _read_migrations_database_url(environment: Mapping[str, str]) -> str | None:
    # Without a DATABASE_URL the embedded server is used, and another database must not be migrated for it.
    return (environment.get("DATABASE_URL") and environment.get("MIGRATIONS_DATABASE_URL")) or None


def read_port(environment: Mapping[str, str], name: str, default: int) -> int:
    """The port that the environment gives this name, or the default; UsageFailure if it gives none that can be."""
    text = environment.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= PORT_MAX:
        raise UsageFailure(f"{name} must be a port from 1 to {PORT_MAX}, not {text!r}.")
    return int(text)

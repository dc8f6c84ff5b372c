"""Settings groups that several services share. Each service composes its own small class from them."""

import os
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gateway_common.redis_address import check_redis_url


def normalize_database_url(url: str) -> str:
    """Give the address the driver we use, and a user where it has none.

    Accepts `postgres://`, `postgresql://` and a `jdbc:` prefix; `PGUSER` and `PGPASSWORD` fill what is missing.
    """
    parts = urlsplit(url.removeprefix("jdbc:"))
    if parts.scheme.partition("+")[0] not in {"postgres", "postgresql"}:
        raise ValueError("must be a postgresql:// address")
    location = parts.netloc
    if not parts.username and os.environ.get("PGUSER"):
        user, password = os.environ["PGUSER"], os.environ.get("PGPASSWORD")
        login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        location = f"{login}@{location.rpartition('@')[2]}"
    return parts._replace(scheme="postgresql+psycopg", netloc=location).geturl()


DatabaseUrl = Annotated[str, AfterValidator(normalize_database_url)]
RedisUrl = Annotated[str, AfterValidator(check_redis_url)]
Port = Annotated[int, Field(ge=1, le=65535)]


def parse_ports(text: str) -> frozenset[int]:
    """Read ports such as `443,8443`; ValueError for what is no number."""
    return frozenset(int(part) for part in text.split(",") if part.strip())


Ports = Annotated[frozenset[Port], NoDecode, BeforeValidator(parse_ports), Field(min_length=1, validate_default=False)]


class ProcessSettings(BaseSettings):
    """What every process has: where it listens and how it logs."""

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    host: str = "0.0.0.0"  # noqa: S104 -- a container listens for its pod; the local stack sets 127.0.0.1.
    metrics_port: Port
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    test_mode: bool = False


class StoreSettings(BaseSettings):
    """Where truth and doorbell live, and the key of what is sealed there."""

    database_url: DatabaseUrl
    database_pool_size: Annotated[int, Field(ge=1, le=200)] = 10
    redis_url: RedisUrl
    gateway_master_key: SecretStr


class WorkerSettings(BaseSettings):
    """The one number from which drain, lease limit and grace period follow, and how soon the dead are replaced."""

    job_timeout_seconds: Annotated[float, Field(ge=1, le=600)] = 20.0
    worker_silent_after_seconds: Annotated[float, Field(ge=0.5, le=300)] = 15.0
    """After so much silence others take this worker for dead, and its leases for free."""

    @property
    def drain_seconds(self) -> float:
        """How long a stopping worker waits for its jobs. A little longer than the longest of them."""
        return self.job_timeout_seconds + 2

    @property
    def lease_limit_seconds(self) -> float:
        """A lease older than this is free though its worker lives: no job runs that long, so it was forgotten."""
        return self.job_timeout_seconds + self.worker_silent_after_seconds

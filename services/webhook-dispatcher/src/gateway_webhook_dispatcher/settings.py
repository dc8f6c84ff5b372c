"""The dispatcher's settings, from the environment."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode

from gateway_common.settings import Port, Ports, ProcessSettings, StoreSettings, WorkerSettings
from gateway_common.webhooks.schedule import (
    DEFAULT_INTERVALS_SECONDS,
    TAIL_INTERVALS_SECONDS,
    TEST_INTERVALS_SECONDS,
    RetryPlan,
    parse_intervals,
)
from gateway_webhook_dispatcher.guard import HTTPS_PORT, Guard, Network, parse_networks


class DispatcherSettings(ProcessSettings, StoreSettings, WorkerSettings):
    metrics_port: Port = 9102
    job_timeout_seconds: Annotated[float, Field(ge=1, le=600)] = 40.0
    """Longer than other workers', for an endpoint may ask for 30 s of its own."""
    concurrency: Annotated[int, Field(ge=1, le=10_000, validation_alias="DISPATCHER_CONCURRENCY")] = 256
    """Deliveries in flight at once."""
    webhook_in_flight_per_endpoint: Annotated[int, Field(ge=1, le=1_000)] = 16
    """So many of them to one endpoint that has no cap of its own, over all dispatchers."""
    webhook_timeout_seconds: Annotated[float, Field(ge=1, le=60)] = 15.0
    """One deadline over DNS, connect, TLS, request and response; of endpoints that have none of their own."""
    webhook_allow_private_networks: bool = False
    webhook_allowed_networks: Annotated[
        tuple[Network, ...], NoDecode, BeforeValidator(parse_networks), Field(validate_default=False)
    ] = ()
    """Reached although they are not public."""
    webhook_live_ports: Ports = frozenset({HTTPS_PORT})
    webhook_retry_intervals: Annotated[tuple[float, ...] | None, NoDecode, BeforeValidator(parse_intervals)] = None
    webhook_retry_intervals_test: bool = False

    @model_validator(mode="after")
    def _attempt_fits_its_lease(self) -> Self:
        most = self.longest_timeout_seconds
        if "webhook_timeout_seconds" not in self.model_fields_set:
            self.webhook_timeout_seconds = min(self.webhook_timeout_seconds, most)
        if self.webhook_timeout_seconds > most:
            raise ValueError("WEBHOOK_TIMEOUT_SECONDS must be at most three quarters of JOB_TIMEOUT_SECONDS")
        return self

    @property
    def guard(self) -> Guard:
        """Where webhooks may go."""
        return Guard(
            allow_private_networks=self.webhook_allow_private_networks,
            allowed_networks=self.webhook_allowed_networks,
            live_ports=self.webhook_live_ports,
        )

    @property
    def longest_timeout_seconds(self) -> float:
        """No attempt takes longer, whatever its endpoint asks for: it must fit into its lease."""
        return self.job_timeout_seconds * 0.75

    @property
    def retry_plan(self) -> RetryPlan:
        """The schedule: the one that was set, or the short one for tests, or the default."""
        if self.webhook_retry_intervals is not None:
            return RetryPlan(intervals_seconds=self.webhook_retry_intervals, tail_seconds=TAIL_INTERVALS_SECONDS)
        if self.webhook_retry_intervals_test:
            return RetryPlan(intervals_seconds=TEST_INTERVALS_SECONDS, tail_seconds=TEST_INTERVALS_SECONDS)
        return RetryPlan(intervals_seconds=DEFAULT_INTERVALS_SECONDS, tail_seconds=TAIL_INTERVALS_SECONDS)

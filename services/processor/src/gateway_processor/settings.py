"""The processor's settings, from the environment."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from gateway_common.settings import Port, ProcessSettings, StoreSettings, WorkerSettings
from gateway_common.simulator.model import SimulatorPlan
from gateway_processor.stripe_settings import StripeSettings


class ProcessorSettings(ProcessSettings, StoreSettings, WorkerSettings, StripeSettings):
    metrics_port: Port = 9101
    concurrency: Annotated[int, Field(ge=1, le=20_000, validation_alias="PROCESSOR_CONCURRENCY")] = 1_000
    """Payments waiting for a provider at once. A waiting one costs some kilobytes and no connection."""
    processing_delay_min_ms: Annotated[int, Field(ge=0)] = 5_000
    processing_delay_max_ms: Annotated[int, Field(ge=0)] = 10_000
    simulator_success_rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    simulator_seed: str = "gateway"
    authorization_ttl: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=90))] = timedelta(days=7)
    """How long an authorized payment may wait for its capture: whole seconds, or ISO 8601 such as P7D."""
    audit_every_seconds: Annotated[float, Field(ge=1, le=86_400)] = 60.0

    @property
    def simulator_plan(self) -> SimulatorPlan:
        return SimulatorPlan(
            delay_min_ms=self.processing_delay_min_ms,
            delay_max_ms=self.processing_delay_max_ms,
            success_rate=self.simulator_success_rate,
            seed=self.simulator_seed,
        )

    @property
    def provider_timeout_seconds(self) -> float:
        """A provider's one deadline; what is left of the job timeout is for claiming and recording."""
        return self.job_timeout_seconds * 0.75

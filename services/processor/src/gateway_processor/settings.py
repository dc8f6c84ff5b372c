"""The processor's settings, from the environment."""

from typing import Annotated

from pydantic import Field

from gateway_common.settings import Port, ProcessSettings, StoreSettings, WorkerSettings


class ProcessorSettings(ProcessSettings, StoreSettings, WorkerSettings):
    metrics_port: Port = 9101
    concurrency: Annotated[int, Field(ge=1, le=20_000, validation_alias="PROCESSOR_CONCURRENCY")] = 1_000
    """Payments waiting for a provider at once. A waiting one costs some kilobytes and no connection."""
    processing_delay_min_ms: Annotated[int, Field(ge=0)] = 5_000
    processing_delay_max_ms: Annotated[int, Field(ge=0)] = 10_000
    simulator_success_rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    simulator_seed: str = "gateway"
    audit_every_seconds: Annotated[float, Field(ge=1, le=86_400)] = 60.0

    @property
    def provider_timeout_seconds(self) -> float:
        """A provider's one deadline; what is left of the job timeout is for claiming and recording."""
        return self.job_timeout_seconds * 0.75

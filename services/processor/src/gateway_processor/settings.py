"""The processor's settings, from the environment."""

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from gateway_common.settings import Port, ProcessSettings, StoreSettings, WorkerSettings
from gateway_common.simulator.faults import NO_FAULTS, FaultPlan, parse_fault_plan
from gateway_common.simulator.model import SimulatorPlan, UpiApp
from gateway_processor.stripe_settings import StripeSettings


class ProcessorSettings(ProcessSettings, StoreSettings, WorkerSettings, StripeSettings):
    metrics_port: Port = 9101
    concurrency: Annotated[int, Field(ge=1, le=20_000, validation_alias="PROCESSOR_CONCURRENCY")] = 1_000
    """Payments waiting for a provider at once. A waiting one costs some kilobytes and no connection."""
    processing_delay_min_ms: Annotated[int, Field(ge=0)] = 5_000
    processing_delay_max_ms: Annotated[int, Field(ge=0)] = 10_000
    simulator_success_rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    simulator_seed: str = "gateway"
    simulator_faults: Annotated[
        FaultPlan, NoDecode, BeforeValidator(parse_fault_plan), Field(validate_default=False)
    ] = NO_FAULTS
    simulator_upi_app: UpiApp = UpiApp.AUTO
    upi_request_ttl: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    """For so many seconds a customer is asked to approve a payment by UPI."""
    api_public_url: str = "http://localhost:8000"
    """Where the simulator's bank page is."""
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
            faults=self.simulator_faults,
            upi_app=self.simulator_upi_app,
            upi_ttl_seconds=self.upi_request_ttl,
        )

    @property
    def provider_timeout_seconds(self) -> float:
        """A provider's one deadline; what is left of the job timeout is for claiming and recording."""
        return self.job_timeout_seconds * 0.75

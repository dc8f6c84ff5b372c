"""The body by which a tester decides what becomes of a payment."""

from typing import Literal

from pydantic import ValidationInfo, field_validator

from gateway_api.fields import RequestBody
from gateway_common.simulator.model import SimulatedOutcome


class SetOutcome(RequestBody):
    """What the simulated bank says from now on. `error_code` goes with `failed` alone."""

    outcome: Literal["success", "failed", "expired"]
    error_code: Literal["payment_declined", "insufficient_funds", "expired_card"] | None = None

    @field_validator("error_code")
    @classmethod
    def _only_a_failure_has_a_reason(cls, error_code: str | None, known: ValidationInfo) -> str | None:
        if error_code is not None and known.data.get("outcome") != "failed":
            raise ValueError("goes with the outcome 'failed' alone")
        return error_code

    @property
    def simulated(self) -> SimulatedOutcome:
        if self.outcome == "failed":
            return SimulatedOutcome(self.error_code or "payment_declined")
        return SimulatedOutcome.APPROVED if self.outcome == "success" else SimulatedOutcome.EXPIRED

"""The processor's settings as the environment gives them."""

import pytest
from pydantic import ValidationError

from gateway_common.simulator.faults import NO_FAULTS, FaultPlan
from gateway_common.simulator.model import SimulatorPlan, UpiApp
from gateway_processor.settings import ProcessorSettings


@pytest.fixture(autouse=True)
def _needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/gateway")
    monkeypatch.setenv("REDIS_URL", "redis://redis")
    monkeypatch.setenv("GATEWAY_MASTER_KEY", "key")


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> ProcessorSettings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return ProcessorSettings()


def test_a_simulator_fails_never_and_waits_for_nobody_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch).simulator_plan == SimulatorPlan(faults=NO_FAULTS, upi_app=UpiApp.AUTO)


def test_the_simulators_plan_is_made_of_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    made = settings(
        monkeypatch,
        SIMULATOR_FAULTS="delay=0.1,error=0.2",
        SIMULATOR_UPI_APP="page",
        SIMULATOR_SEED="monday",
        UPI_REQUEST_TTL="60",
    )

    assert made.simulator_plan == SimulatorPlan(
        faults=FaultPlan(delay=0.1, error=0.2), upi_app=UpiApp.PAGE, seed="monday", upi_ttl_seconds=60
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SIMULATOR_FAULTS", "explosion=1", "knows no fault 'explosion'"),
        ("SIMULATOR_FAULTS", "delay=2", "takes a rate from 0 to 1"),
        ("SIMULATOR_UPI_APP", "phone", "'auto' or 'page'"),
        ("UPI_REQUEST_TTL", "0", "greater than or equal to 1"),
    ],
)
def test_what_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(monkeypatch, **{name: value})

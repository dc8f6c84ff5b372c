"""The API's settings, from the environment."""

from typing import Annotated

from pydantic import Field

from gateway_common.settings import Port, ProcessSettings, StoreSettings


class ApiSettings(ProcessSettings, StoreSettings):
    port: Port = 8000
    metrics_port: Port = 9100
    body_max_bytes: Annotated[int, Field(ge=1_024, validation_alias="API_BODY_MAX_BYTES")] = 64 * 1024
    """No request of ours needs a tenth of it."""

"""The API's settings, from the environment."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from gateway_api.addresses import parse_trusted_proxies
from gateway_api.token_buckets import Limit
from gateway_common.settings import Port, ProcessSettings, StoreSettings

RequestsPerSecond = Annotated[int, Field(ge=1, le=1_000_000)]


class ApiSettings(ProcessSettings, StoreSettings):
    port: Port = 8000
    metrics_port: Port = 9100
    body_max_bytes: Annotated[int, Field(ge=1_024, validation_alias="API_BODY_MAX_BYTES")] = 64 * 1024
    """No request of ours needs a tenth of it."""
    rate_limit_per_key: RequestsPerSecond = 1_000
    rate_limit_per_address: RequestsPerSecond = 50
    trusted_proxies: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(parse_trusted_proxies), Field(validate_default=False)
    ] = ()
    """Only these are believed about X-Forwarded-For; by default nobody is, not even this machine."""

    @property
    def key_limit(self) -> Limit:
        """A merchant's server may catch up after a pause, up to what it could have sent in two seconds."""
        return Limit(self.rate_limit_per_key, burst=2 * self.rate_limit_per_key)

    @property
    def address_limit(self) -> Limit:
        """Pages load in bursts, and an office shares one address."""
        return Limit(self.rate_limit_per_address, burst=4 * self.rate_limit_per_address)

"""The API's settings, from the environment."""

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from gateway_api.addresses import parse_trusted_proxies
from gateway_api.token_buckets import Limit
from gateway_common.settings import Port, Ports, ProcessSettings, StoreSettings

RequestsPerSecond = Annotated[int, Field(ge=1, le=1_000_000)]


def parse_webhook_secrets(text: str) -> tuple[SecretStr, ...]:
    """Signing secrets, comma-separated: a new one beside the old one while the provider changes them."""
    secrets = tuple(secret for part in text.split(",") if (secret := part.strip()))
    if not all(secret.startswith("whsec_") for secret in secrets):
        raise ValueError("each must begin with whsec_")
    return tuple(SecretStr(secret) for secret in secrets)


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
    stripe_webhook_secrets: Annotated[
        tuple[SecretStr, ...], NoDecode, BeforeValidator(parse_webhook_secrets), Field(validate_default=False)
    ] = ()
    """Without one Stripe's callbacks are not taken in."""
    webhook_live_ports: Ports = frozenset({443})
    """Where a live endpoint may listen. The dispatcher reads the same variable, and sends to no other."""

    @property
    def key_limit(self) -> Limit:
        """A merchant's server may catch up after a pause, up to what it could have sent in two seconds."""
        return Limit(self.rate_limit_per_key, burst=2 * self.rate_limit_per_key)

    @property
    def address_limit(self) -> Limit:
        """Pages load in bursts, and an office shares one address."""
        return Limit(self.rate_limit_per_address, burst=4 * self.rate_limit_per_address)

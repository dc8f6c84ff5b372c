"""Where Stripe is and with which secret keys it is asked, from the environment."""

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import BaseSettings


def check_api_base(url: str) -> str:
    """Cards go there: only over TLS, unless it is this very machine."""
    parts = urlsplit(url)
    if not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("must be an address such as https://api.stripe.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError("must begin with https://")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _key_of(mode: str) -> AfterValidator:
    def check(key: SecretStr | None) -> SecretStr | None:
        # A live key in the place of a test key would charge cards for test payments.
        if key is not None and not key.get_secret_value().startswith((f"sk_{mode}_", f"rk_{mode}_")):
            raise ValueError(f"must begin with sk_{mode}_ or rk_{mode}_")
        return key

    return AfterValidator(check)


_EmptyIsNone = BeforeValidator(lambda value: value or None)


class StripeSettings(BaseSettings):
    """Without a key this process does not know the provider."""

    stripe_test_secret_key: Annotated[SecretStr | None, _EmptyIsNone, _key_of("test")] = None
    stripe_live_secret_key: Annotated[SecretStr | None, _EmptyIsNone, _key_of("live")] = None
    stripe_api_base: Annotated[str, AfterValidator(check_api_base)] = "https://api.stripe.com"

    @property
    def stripe_secret_keys(self) -> dict[bool, str]:
        """The keys that there are, by whether they are for live payments."""
        keys = {False: self.stripe_test_secret_key, True: self.stripe_live_secret_key}
        return {livemode: key.get_secret_value() for livemode, key in keys.items() if key is not None}

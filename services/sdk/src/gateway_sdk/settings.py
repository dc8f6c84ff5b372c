"""What the checkout server is told by its environment."""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator

from gateway_common.settings import Port, ProcessSettings

_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:*]+")
_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(?:/[\w.\-/]*)?")


def parse_api_address(address: str) -> str:
    """An http(s) address without a trailing slash, of characters that mean nothing to HTML or to a CSP."""
    if not _ADDRESS.fullmatch(address):
        raise ValueError("must be an address like https://api.example.com")
    return address.rstrip("/")


def parse_frame_ancestors(origins: str) -> str:
    """The origins that may show the checkout in a frame, separated by spaces."""
    if not all(_ORIGIN.fullmatch(origin) for origin in origins.split()):
        raise ValueError("must be origins like https://shop.example.com, separated by spaces")
    return " ".join(origins.split())


class SdkSettings(ProcessSettings):
    """The API's address is the one a customer's browser sees, which is seldom the one inside a cluster."""

    port: Port = 3001
    metrics_port: Port = 9104
    api_public_url: Annotated[str, AfterValidator(parse_api_address)] = "http://localhost:8000"
    checkout_frame_ancestors: Annotated[str, AfterValidator(parse_frame_ancestors)] = ""

    @property
    def api_origin(self) -> str:
        parts = urlsplit(self.api_public_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def frame_ancestors(self) -> str:
        """Unset: any page may show a test checkout, also one opened as a file; none may show a live one."""
        return self.checkout_frame_ancestors or ("* file:" if self.test_mode else "'none'")

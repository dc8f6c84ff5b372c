"""The checkout's files, and the verifiers of webhooks, as values in memory: body, type, entity tag and headers of each.

No HTTP here.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from gateway_sdk.settings import SdkSettings

# Named one by one: what is not in this table can't be asked for.
_TYPES: Final = {
    "checkout.html": "text/html; charset=utf-8",
    "checkout.css": "text/css; charset=utf-8",
    "checkout/screens.css": "text/css; charset=utf-8",
    "checkout.js": "text/javascript; charset=utf-8",
    "checkout/page.js": "text/javascript; charset=utf-8",
    "checkout/api.js": "text/javascript; charset=utf-8",
    "checkout/parent.js": "text/javascript; charset=utf-8",
    "checkout/screens.js": "text/javascript; charset=utf-8",
    "checkout/words.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
# For merchants to read and to copy, so they are text and nothing that runs from here.
_VERIFIERS: Final = dict.fromkeys(
    ("webhooks/payment_gateway_webhooks.py", "webhooks/payment-gateway-webhooks.mjs"), "text/plain; charset=utf-8"
)
_LOADER: Final = "checkout.js"
_API_ADDRESS: Final = b"{{api_public_url}}"


@dataclass(frozen=True)
class Asset:
    """One file, ready to be sent."""

    body: bytes
    etag: str
    headers: Mapping[str, str]


def load_assets(settings: SdkSettings) -> dict[str, Asset]:
    """Every file by its path; the page is told the API's address here, never by its query string."""
    package = files("gateway_sdk")
    address = settings.api_public_url.encode()
    bodies = {path: (package / "web" / path).read_bytes().replace(_API_ADDRESS, address) for path in _TYPES}
    bodies |= {path: (package / path).read_bytes() for path in _VERIFIERS}
    return {path: _asset(path, body, settings) for path, body in bodies.items()}


def content_security_policy(settings: SdkSettings) -> str:
    """Nothing inline, nothing from elsewhere, and no one to talk to but this server and the API."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src 'self' {settings.api_origin}",
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors {settings.frame_ancestors}",
            "require-trusted-types-for 'script'",
        )
    )


def _asset(path: str, body: bytes, settings: SdkSettings) -> Asset:
    headers = {
        "Content-Type": (_TYPES | _VERIFIERS)[path],
        # Names carry no version, so all but the merchants' script is asked for again each time: the page
        # and its modules are always of one release. The script may be minutes old, its messages say which.
        "Cache-Control": "public, max-age=300" if path == _LOADER else "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        # Merchants' pages load the script with an integrity hash, or under an embedder policy of their own.
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if path.endswith(".html"):
        headers["Content-Security-Policy"] = content_security_policy(settings)
    return Asset(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', headers)

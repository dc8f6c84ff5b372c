"""UPI links and their QR codes, without I/O: what a customer's app opens or scans to pay."""

from functools import lru_cache
from io import BytesIO
from typing import Final
from urllib.parse import quote

import segno

from gateway_common.money import format_amount

REFERENCE_LENGTH_MAX: Final = 35
"""As the linking specification says of `tr`."""
_QUIET_ZONE: Final = 4
"""In modules: ISO/IEC 18004 asks for it, and scanners need it on a dark page."""


def format_upi_link(*, payee_vpa: str, payee_name: str, reference: str, amount_minor: int, currency: str) -> str:
    """The link by NPCI's UPI linking specification 1.6. ValueError if the reference is too long for it."""
    if len(reference) > REFERENCE_LENGTH_MAX:
        raise ValueError(f"a UPI reference has at most {REFERENCE_LENGTH_MAX} characters")
    amount, _, _ = format_amount(amount_minor, currency).partition(" ")
    parameters = {"pa": payee_vpa, "pn": payee_name, "tr": reference, "am": amount, "cu": currency}
    # Apps read %20, not +, as a space, and some know no %40.
    return "upi://pay?" + "&".join(f"{name}={quote(value, safe='@')}" for name, value in parameters.items())


@lru_cache(maxsize=256)
def render_qr_svg(text: str) -> str:
    """The text's QR code as an SVG without a size of its own. Costs about 7 ms: not for the event loop.

    Both colours are set, so that it is dark on light whatever the page around it is. It names its namespace, so that it
    is an image by itself too, as a file or in an `<img>`.
    """
    code = segno.make_qr(text, error="M", boost_error=False)
    drawn = BytesIO()
    code.save(
        drawn,
        kind="svg",
        border=_QUIET_ZONE,
        dark="#000",
        light="#fff",
        omitsize=True,
        xmldecl=False,
        nl=False,
        svgclass=None,
        lineclass=None,
    )
    return drawn.getvalue().decode()

"""UPI links by NPCI's specification, and QR codes that an independent reader reads."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import zxingcpp
from tests.support.examples import NOW

from gateway_common.ids import PAYMENT, new_id
from gateway_common.payments.upi import REFERENCE_LENGTH_MAX, format_upi_link, render_qr_svg

SCALE = 4


def link(**changes: object) -> str:
    values = {
        "payee_vpa": "shop@simulator",
        "payee_name": "Test Merchant",
        "reference": "pay_1",
        "amount_minor": 50_000,
        "currency": "INR",
    }
    return format_upi_link(**values | changes)  # type: ignore[arg-type]


def test_a_link_names_payee_reference_and_amount_with_two_decimals() -> None:
    assert link() == "upi://pay?pa=shop@simulator&pn=Test%20Merchant&tr=pay_1&am=500.00&cu=INR"
    assert "&am=0.05&" in link(amount_minor=5)
    assert "&am=10000000000.00&" in link(amount_minor=10**12)


@pytest.mark.parametrize("name", ["Café & Söhne", "a=b?c#d", "100% आशा", "plus+plus"])
def test_a_payees_name_is_escaped_and_comes_out_as_it_was(name: str) -> None:
    escaped = link(payee_name=name)

    assert escaped.isascii()
    assert "+" not in escaped
    assert parse_qs(urlsplit(escaped).query)["pn"] == [name]


def test_a_payments_id_fits_as_reference_and_nothing_longer_does() -> None:
    assert link(reference=new_id(PAYMENT, NOW))

    with pytest.raises(ValueError, match="at most 35 characters"):
        link(reference="x" * (REFERENCE_LENGTH_MAX + 1))


@pytest.mark.parametrize("name", ["Test Merchant", "आशा की दुकान, मुंबई और भी बहुत कुछ"])
def test_its_qr_code_is_read_by_another_library(name: str) -> None:
    text = link(payee_name=name, amount_minor=10**12, reference="x" * REFERENCE_LENGTH_MAX)

    [found] = zxingcpp.read_barcodes(rasterize(render_qr_svg(text)))

    assert (found.text, found.format) == (text, zxingcpp.BarcodeFormat.QRCode)


def test_a_qr_code_is_dark_on_light_on_any_page_and_brings_its_quiet_zone_and_no_style() -> None:
    svg = render_qr_svg(link())

    size = int(re.search(r'viewBox="0 0 (\d+) \1"', svg)[1])  # type: ignore[index]
    assert f'<path fill="#fff" d="M0 0h{size}v{size}h-{size}z"/>' in svg
    assert {x for x, _ in dark_modules(svg)} <= set(range(4, size - 4))
    assert "style" not in svg
    assert len(svg) < 8_000


def test_a_qr_code_is_an_image_by_itself_too() -> None:
    svg = render_qr_svg(link())

    # Within a page the namespace is known; an `<img>` or a file without it shows nothing.
    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ')
    assert svg.endswith("</svg>")


def dark_modules(svg: str) -> Iterator[tuple[int, int]]:
    """The dark modules of a code that is drawn by one path of horizontal strokes."""
    path = re.search(r'stroke="#000" d="([^"]*)"', svg)
    assert path is not None
    x, y = 0.0, 0.0
    for command, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?:[ ]?(-?[\d.]+))?", path[1]):
        if command == "h":
            yield from ((int(x) + step, int(y)) for step in range(int(first)))
            x += float(first)
        else:
            x, y = (float(first), float(second)) if command == "M" else (x + float(first), y + float(second))


def rasterize(svg: str) -> memoryview:
    size = int(re.search(r'viewBox="0 0 (\d+)', svg)[1])  # type: ignore[index]
    width = size * SCALE
    pixels = bytearray(b"\xff" * width * width)
    for x, y in dark_modules(svg):
        for row in range(y * SCALE, (y + 1) * SCALE):
            pixels[row * width + x * SCALE : row * width + (x + 1) * SCALE] = bytes(SCALE)
    return memoryview(bytes(pixels)).cast("B", shape=[width, width])

"""The words of the checkout page, as Node runs them: amounts as the gateway means them, a reason for each failure."""

import json
import os
import shutil
import subprocess
from importlib.resources import files
from typing import Any

import pytest

from gateway_common.money import CURRENCIES, exponent

WORDS = files("gateway_sdk") / "web" / "checkout" / "words.js"


@pytest.fixture(scope="module")
def node() -> str:
    """Without Node the test is skipped on a laptop; where CI=true it must be there."""
    program = shutil.which("node")
    if program is None:
        assert os.environ.get("CI") != "true", "node is missing"
        pytest.skip("node is missing")
    return program


def said(node: str, expression: str) -> Any:
    """What an expression over the module's exports comes to."""
    script = f"import * as words from {json.dumps(f'data:text/javascript,{_quoted()}')}; "
    script += f"console.log(JSON.stringify({expression}))"
    done = subprocess.run(
        [node, "--input-type=module", "--eval", script], capture_output=True, text=True, check=True, timeout=30
    )
    return json.loads(done.stdout)


def _quoted() -> str:
    return "".join(f"%{byte:02x}" for byte in WORDS.read_bytes())


def test_the_page_counts_the_digits_of_every_currency_as_the_gateway_does(node: str) -> None:
    codes = sorted(CURRENCIES)

    assert said(node, f"{codes}.map(words.exponent)") == [exponent(code) for code in codes]


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (50000, "INR", "₹500.00"),
        (125000000, "INR", "₹12,50,000.00"),
        (4999, "JPY", "JP¥4,999"),
        (1500, "BHD", "BHD\u00a01.500"),
        (10**12, "INR", "₹10,00,00,00,000.00"),
    ],
)
def test_an_amount_is_shown_in_its_currency(node: str, amount: int, currency: str, text: str) -> None:
    assert said(node, f"words.formatAmount({amount}, '{currency}')") == text


@pytest.mark.parametrize(
    ("vpa", "fits"),
    [
        ("asha@upi", True),
        ("asha.k-1_2@ok-bank", True),
        ("asha", False),
        ("a@upi", False),
        ("as ha@upi", False),
        ("asha@1", False),
    ],
)
def test_a_slip_in_a_upi_id_is_caught(node: str, vpa: str, *, fits: bool) -> None:
    assert said(node, f"words.looksLikeVpa('{vpa}')") is fits


def test_each_end_but_success_has_a_reason(node: str) -> None:
    declined = said(node, "words.reasonOf({status: 'failed', error: {code: 'payment_declined', message: 'x'}})")
    unheard = said(
        node, "words.reasonOf({status: 'failed', error: {code: 'new_code', message: 'The bank is closed.'}})"
    )
    expired = said(node, "words.reasonOf({status: 'expired', error: null})")

    assert "declined" in declined
    assert unheard == "The bank is closed."
    assert "not approved in time" in expired

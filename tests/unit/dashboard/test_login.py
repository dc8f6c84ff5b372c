"""What counts as a login, and that none is ever printed."""

from base64 import b64encode

import pytest

from gateway_dashboard.login import parse_login


def basic(pair: bytes) -> str:
    return f"Basic {b64encode(pair).decode()}"


def test_a_key_and_its_secret_are_a_login() -> None:
    login = parse_login(basic(b"key_test_abc123:secret:with:colons"))

    assert login is not None
    assert login.key == "key_test_abc123"
    assert login.is_test
    assert login.authorization == basic(b"key_test_abc123:secret:with:colons")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic ???",
        "Bearer abc",
        basic(b"no-colon"),
        basic(b":secret"),
        basic(b"key:"),
        basic(b"\xff:\xff"),
    ],
)
def test_anything_else_is_none(header: str | None) -> None:
    assert parse_login(header) is None


def test_a_printed_login_does_not_show_its_secret() -> None:
    login = parse_login(basic(b"key_live_1:secret_1"))

    assert login is not None
    assert not login.is_test
    assert b64encode(b"key_live_1:secret_1").decode() not in repr(login)

"""Which headers are an Idempotency-Key, and which are refused."""

import pytest

from gateway_common.errors import InvalidRequestError
from gateway_common.idempotency.model import in_progress, parse_idempotency_key


@pytest.mark.parametrize("key", ["12345678", "~!@#$%^&", "a" * 255, "0b7f6a53-2b6e-4f4c-9d6f-0d8a3f1c2e4b"])
def test_8_to_255_visible_ascii_characters_are_a_key(key: str) -> None:
    assert parse_idempotency_key(key) == key


def test_no_header_is_no_key() -> None:
    assert parse_idempotency_key(None) is None


@pytest.mark.parametrize(
    "key",
    ["", "1234567", "a" * 256, "with space", "tab\tinside", "12345678\n", "naïve-key", "12345678\x7f", "1234567\0"],
)
def test_anything_else_is_refused_by_name(key: str) -> None:
    with pytest.raises(InvalidRequestError, match="8 to 255 visible ASCII") as caught:
        parse_idempotency_key(key)

    assert caught.value.param == "Idempotency-Key"


def test_a_request_still_running_may_be_sent_again_soon() -> None:
    error = in_progress()

    assert (error.status, error.retryable, error.retry_after_seconds) == (409, True, 1)

"""Which headers are an Idempotency-Key, and which are refused; and what the inspector shows of one."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.examples import NOW

from gateway_common.errors import InvalidRequestError
from gateway_common.idempotency.model import (
    IdempotencyScope,
    KeyUse,
    in_progress,
    key_use_snapshot,
    parse_idempotency_key,
    seal_context,
)

USE = KeyUse(
    key="key-12345678",
    route="POST /api/v1/orders",
    status=201,
    body=b'{"id":"ord_1"}',
    request_id="req_1",
    replays=2,
    last_replayed_at=NOW + timedelta(days=1),
    created_at=NOW,
)


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


def test_a_use_of_a_key_shows_its_answer_how_often_it_was_given_again_and_until_when() -> None:
    assert key_use_snapshot(USE) == {
        "object": "idempotency_key",
        "key": "key-12345678",
        "route": "POST /api/v1/orders",
        "request_id": "req_1",
        "response_status": 201,
        "response_body": {"id": "ord_1"},
        "replays": 2,
        "last_replayed_at": "2026-11-24T14:05:06.789Z",
        "created_at": "2026-11-23T14:05:06.789Z",
        "expires_at": "2026-12-23T14:05:06.789Z",
    }


def test_an_answer_that_is_sealed_is_not_shown_and_a_key_that_was_never_repeated_says_so() -> None:
    snapshot = key_use_snapshot(replace(USE, body=None, replays=0, last_replayed_at=None))

    assert (snapshot["response_body"], snapshot["replays"], snapshot["last_replayed_at"]) == (None, 0, None)


def test_a_sealed_answer_fits_its_own_merchant_mode_route_and_key_only() -> None:
    scope = IdempotencyScope(merchant_id="mer_1", livemode=False, route="POST /a", key="key-12345678")
    others = [
        replace(scope, merchant_id="mer_2"), replace(scope, livemode=True), replace(scope, route="POST /b"),
        replace(scope, key="key-87654321"),
    ]  # fmt: skip

    assert len({seal_context(each) for each in (scope, *others)}) == 5

"""What a bucket's level means for one request, in whole numbers that a caller can go by."""

import pytest

from gateway_api.token_buckets import Limit, decide_verdict

LIMIT = Limit(10, burst=20)
TOKEN = 1_000_000


def test_a_full_bucket_gives_a_token_and_is_full_again_soon() -> None:
    verdict = decide_verdict(LIMIT, 20 * TOKEN)

    assert verdict.is_allowed
    assert (verdict.limit, verdict.remaining, verdict.reset_seconds) == (20, 19, 1)


def test_the_last_token_is_given_and_less_than_one_is_not() -> None:
    assert decide_verdict(LIMIT, TOKEN).is_allowed
    assert not decide_verdict(LIMIT, TOKEN - 1).is_allowed


def test_an_empty_bucket_says_when_it_is_full_and_never_sends_anybody_back_at_once() -> None:
    verdict = decide_verdict(LIMIT, 0)

    assert (verdict.remaining, verdict.reset_seconds, verdict.retry_after_seconds) == (0, 2, 1)


@pytest.mark.parametrize(
    ("level", "reset_seconds", "retry_after_seconds"), [(0, 120, 4), (TOKEN // 2, 118, 2), (TOKEN - 1, 117, 1)]
)
def test_waits_of_a_slow_bucket_are_rounded_up(level: int, reset_seconds: int, retry_after_seconds: int) -> None:
    verdict = decide_verdict(Limit(0.25, burst=30), level)

    assert (verdict.reset_seconds, verdict.retry_after_seconds) == (reset_seconds, retry_after_seconds)


def test_the_headers_are_the_numbers() -> None:
    assert dict(decide_verdict(LIMIT, 5 * TOKEN).headers) == {
        b"ratelimit-limit": b"20",
        b"ratelimit-remaining": b"4",
        b"ratelimit-reset": b"2",
    }

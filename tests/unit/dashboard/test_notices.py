"""What is said about an endpoint that gets nothing: why, what waits for it, and how its last attempt ended."""

from typing import Any

import pytest

from gateway_dashboard.api import Page
from gateway_dashboard.webhooks.notices import notice_view, stopped_endpoints

HELD: dict[str, Any] = {"attempts": 0, "last_error": None, "last_response_status": None}


def endpoint(status: str, reason: str | None = None, name: str = "we_1") -> dict[str, Any]:
    return {"id": name, "url": "https://shop.example", "status": status, "disabled_reason": reason}


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        ("disabled", "gone", "It answered 410 (Gone), which says that it wants no more events, so it was disabled."),
        ("disabled", "failing", "It answered nothing but failures for five days, so it was disabled."),
        ("paused", None, "It is paused, as you asked."),
    ],
)
def test_it_says_why(status: str, reason: str | None, words: str) -> None:
    assert notice_view(endpoint(status, reason), None).why == words


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (None, "What happens meanwhile is held for it."),
        (Page([], None), "Nothing waits for it yet. What happens meanwhile is held."),
        (Page([HELD], None), "1 delivery is held for it."),
        (Page([HELD] * 100, None), "100 deliveries are held for it."),
        (Page([HELD] * 100, "dlv_100"), "More than 100 deliveries are held for it."),
    ],
)
def test_it_says_how_much_waits(held: Page | None, words: str) -> None:
    assert notice_view(endpoint("paused"), held).held == words


def test_it_says_how_the_last_attempt_ended_if_there_was_one() -> None:
    tried = [HELD, HELD | {"attempts": 3, "last_response_status": 503}, HELD | {"attempts": 9, "last_error": "older"}]
    silent = [HELD | {"attempts": 1, "last_error": "The connection was refused"}]

    assert notice_view(endpoint("paused"), Page(tried, None)).last_outcome == "Answered 503"
    assert notice_view(endpoint("paused"), Page(silent, None)).last_outcome == "The connection was refused"
    assert notice_view(endpoint("paused"), Page([HELD], None)).last_outcome is None


def test_the_disabled_ones_come_first_and_the_others_not_at_all() -> None:
    given = [endpoint("paused", name="we_1"), endpoint("enabled", name="we_2"), endpoint("disabled", name="we_3")]

    assert [each["id"] for each in stopped_endpoints(given)] == ["we_3", "we_1"]

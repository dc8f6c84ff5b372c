"""Endpoints that get nothing: why, how much waits for them, and what their last answer was. The words are pure."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway_common.errors import GatewayError
from gateway_dashboard.api import Api, Page
from gateway_dashboard.login import Login
from gateway_dashboard.webhooks.views import outcome_words

DETAILED_MOST: Final = 5
"""So many endpoints are asked what waits for them; a page must not become a hundred questions."""
_WHY: Final = {
    "gone": "It answered 410 (Gone), which says that it wants no more events, so it was disabled.",
    "failing": "It answered nothing but failures for five days, so it was disabled.",
}
_PAUSED: Final = "It is paused, as you asked."


@dataclass(frozen=True, slots=True)
class NoticeView:
    """One endpoint that gets nothing, in words."""

    id: str
    url: str
    status: str
    why: str
    held: str
    last_outcome: str | None


def notice_view(endpoint: Mapping[str, Any], held: Page | None) -> NoticeView:
    """`held` are its held deliveries, newest first; None if they are not known."""
    tried = [delivery for delivery in held.items if delivery["attempts"]] if held else []
    return NoticeView(
        id=endpoint["id"],
        url=endpoint["url"],
        status=endpoint["status"],
        why=_WHY.get(endpoint["disabled_reason"] or "", _PAUSED),
        held=_held_words(held),
        last_outcome=outcome_words(tried[0]) if tried else None,
    )


def stopped_endpoints(endpoints: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that get nothing, the disabled ones first."""
    stopped = [endpoint for endpoint in endpoints if endpoint["status"] in {"disabled", "paused"}]
    return sorted(stopped, key=lambda endpoint: endpoint["status"])


async def read_notices(api: Api, login: Login, endpoints: Sequence[Mapping[str, Any]]) -> list[NoticeView]:
    """A notice for each endpoint that gets nothing."""
    stopped = stopped_endpoints(endpoints)
    held = await asyncio.gather(*(_read_held(api, login, endpoint["id"]) for endpoint in stopped[:DETAILED_MOST]))
    unknown = [None] * (len(stopped) - len(held))
    return [notice_view(endpoint, page) for endpoint, page in zip(stopped, [*held, *unknown], strict=True)]


async def count_disabled(api: Api, login: Login) -> int:
    """How many endpoints the gateway has disabled; 0 also if that can't be told: no page of payments fails for it."""
    try:
        endpoints = await api.list_endpoints(login)
    except GatewayError:
        return 0
    return sum(endpoint["status"] == "disabled" for endpoint in endpoints.items)


async def _read_held(api: Api, login: Login, endpoint_id: str) -> Page | None:
    try:
        return await api.list_held_deliveries(login, endpoint_id)
    except GatewayError:
        return None  # What it was to say more is not worth the page.


def _held_words(held: Page | None) -> str:
    if held is None:
        return "What happens meanwhile is held for it."
    if not held.items:
        return "Nothing waits for it yet. What happens meanwhile is held."
    if held.next_cursor is not None:
        return f"More than {len(held.items)} deliveries are held for it."
    return "1 delivery is held for it." if len(held.items) == 1 else f"{len(held.items)} deliveries are held for it."

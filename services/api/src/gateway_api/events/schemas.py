"""The bodies of event answers."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel

from gateway_common.events.model import EventType


class EventBody(BaseModel):
    id: str
    object: Literal["event"]
    type: EventType
    created_at: AwareDatetime
    sequence: int
    livemode: bool
    data: dict[str, Any]


class EventPage(BaseModel):
    object: Literal["list"]
    data: list[EventBody]
    has_more: bool
    next_cursor: str | None

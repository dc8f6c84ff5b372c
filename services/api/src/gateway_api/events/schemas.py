"""The bodies of event answers."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel

from gateway_api.fields import starting_after
from gateway_common.events.model import EventType
from gateway_common.ids import EVENT

AfterEvent = Annotated[str | None, starting_after(EVENT)]


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

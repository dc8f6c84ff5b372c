"""The bodies of replay requests and answers."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel

from gateway_api.fields import Moment, RequestBody, starting_after
from gateway_common.ids import WEBHOOK_REPLAY
from gateway_common.webhooks.replay import ReplaySource, ReplayStatus, ReplayWhich

AfterReplay = Annotated[str | None, starting_after(WEBHOOK_REPLAY)]


class ReplayEvents(RequestBody):
    created_from: Moment | None = None
    """Of events from then on; seven days ago, if nothing is said."""
    created_to: Moment | None = None
    """Of events before then; now, if nothing is said or it is in the future."""
    status: ReplayWhich = ReplayWhich.FAILED
    """`all` sends also what was delivered again."""


class ReplayBody(BaseModel):
    id: str
    object: Literal["webhook_replay"]
    endpoint_id: str
    source: ReplaySource
    which: ReplayWhich
    created_from: datetime
    created_to: datetime
    status: ReplayStatus
    total: int
    """How many deliveries matched when it was asked for."""
    queued: int
    """How many of them are waiting again, or were sent since."""
    waiting: int
    """How many of the queued ones have an attempt to come."""
    livemode: bool
    created_at: datetime
    updated_at: datetime


class ReplayPage(BaseModel):
    object: Literal["list"]
    data: list[ReplayBody]
    has_more: bool
    next_cursor: str | None

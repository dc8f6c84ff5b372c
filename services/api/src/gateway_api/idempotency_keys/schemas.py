"""The body of what was answered under an Idempotency-Key."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field


class KeyUseBody(BaseModel):
    object: Literal["idempotency_key"]
    key: str
    route: str
    request_id: str | None
    response_status: int
    response_body: Annotated[dict[str, Any] | None, Field(description="Null if the answer held a secret.")]
    replays: int
    last_replayed_at: datetime | None
    created_at: datetime
    expires_at: datetime


class KeyUsePage(BaseModel):
    object: Literal["list"]
    data: list[KeyUseBody]
    has_more: bool
    next_cursor: str | None

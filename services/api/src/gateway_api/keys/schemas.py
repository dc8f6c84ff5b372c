"""The bodies of API key requests and answers."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, StrictInt

from gateway_api.fields import Moment, Name, RequestBody, starting_after
from gateway_common.ids import LIVE_KEY, TEST_KEY
from gateway_common.merchants.model import OVERLAP_MOST, Scope

OVERLAP_DEFAULT_SECONDS: Final = 86_400
_OVERLAP_MOST_SECONDS: Final = int(OVERLAP_MOST.total_seconds())


def _cut_to_milliseconds(moment: datetime) -> datetime:
    """What is stored is what is shown."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


AfterKey = Annotated[str | None, starting_after(TEST_KEY, LIVE_KEY)]


class CreateKey(RequestBody):
    name: Name | None = None
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    expires_at: Annotated[Moment, AfterValidator(_cut_to_milliseconds)] | None = None


class RotateKey(RequestBody):
    overlap_seconds: Annotated[StrictInt, Field(ge=0, le=_OVERLAP_MOST_SECONDS)] = OVERLAP_DEFAULT_SECONDS
    """How long the old secret works on; 0 ends it at once."""


class RevokeKey(RequestBody):
    """Nothing: the path says it all."""


class KeyBody(BaseModel):
    id: str
    object: Literal["api_key"]
    name: str | None
    scopes: list[Scope]
    livemode: bool
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaced_by: str | None


class CreatedKeyBody(KeyBody):
    secret: str


class KeyPage(BaseModel):
    object: Literal["list"]
    data: list[KeyBody]
    has_more: bool
    next_cursor: str | None

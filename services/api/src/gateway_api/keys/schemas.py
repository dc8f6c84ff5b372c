"""The bodies of API key requests and answers."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field

from gateway_api.fields import Name, RequestBody
from gateway_common.merchants.model import OVERLAP_MOST, Scope

OVERLAP_DEFAULT_SECONDS: Final = 86_400
_OVERLAP_MOST_SECONDS: Final = int(OVERLAP_MOST.total_seconds())


def _parse_time(value: object) -> datetime:
    """A moment in UTC, cut to the milliseconds that are shown."""
    moment = _read_time(value) if isinstance(value, str) else None
    if moment is None:
        raise ValueError("must be a time with its zone, such as 2030-01-31T00:00:00Z")
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _read_time(value: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
        # Without a zone it would be read in that of this machine.
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _check_seconds(value: Any) -> Any:
    if type(value) is not int:
        raise ValueError("must be a whole number of seconds")
    return value


class CreateKey(RequestBody):
    name: Name | None = None
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    expires_at: Annotated[datetime, BeforeValidator(_parse_time)] | None = None


class RotateKey(RequestBody):
    overlap_seconds: Annotated[int, BeforeValidator(_check_seconds), Field(ge=0, le=_OVERLAP_MOST_SECONDS)] = (
        OVERLAP_DEFAULT_SECONDS
    )
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
